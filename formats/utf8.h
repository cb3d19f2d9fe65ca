// UTF-8 validity, asked of every name that comes from a file: names travel on into JSON and logs.
#ifndef ERGO_FORMATS_UTF8_H_
#define ERGO_FORMATS_UTF8_H_

#include <string_view>

namespace ergo {

// Well-formed after RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace ergo

#endif  // ERGO_FORMATS_UTF8_H_
