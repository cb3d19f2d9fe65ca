// The page of `ergo convert --report`, without its data: the file report_page.html, embedded when
// the tool is built.
#ifndef ERGO_TOOLS_ERGO_REPORT_PAGE_H_
#define ERGO_TOOLS_ERGO_REPORT_PAGE_H_

#include <string_view>

namespace ergo::tool {

extern const std::string_view kReportPage;
// Where the data goes: the one place of this text in the page.
inline constexpr std::string_view kReportDataPlace = "@REPORT_DATA@";

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_REPORT_PAGE_H_
