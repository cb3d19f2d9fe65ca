// Numbers as people read them. For reports only: JSON carries the plain numbers.
#ifndef ERGO_TOOLS_ERGO_NUMBER_TEXT_H_
#define ERGO_TOOLS_ERGO_NUMBER_TEXT_H_

#include <cstdint>
#include <string>

namespace ergo::tool {

// "0 B", "512 B", "1.50 KiB", "12.3 MiB": three significant digits, powers of 1024.
std::string BytesText(int64_t bytes);

// "950", "12.3 k", "4.56 M", "7.89 G": three significant digits, powers of 1000.
std::string CountText(double count);

// "0.85 us", "12.3 us", "4.56 ms", "1.23 s"; "-" for a value that is not finite.
std::string DurationText(double duration_us);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_NUMBER_TEXT_H_
