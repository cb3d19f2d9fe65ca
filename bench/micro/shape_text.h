// ShapeText: problems as people write them on the command line, such as "64x56x56,m128,k3,s2,relu":
// parts between commas that are dimensions (64x56x56), named numbers (m128, k3x3) or words (relu).
#ifndef ERGO_BENCH_MICRO_SHAPE_TEXT_H_
#define ERGO_BENCH_MICRO_SHAPE_TEXT_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/status.h"

namespace ergo::micro {

class ShapeText {
 public:
  // InvalidArgument that quotes the part that is none of the three, is given twice, or has numbers
  // above a limit.
  static Result<ShapeText> Parse(std::string_view text);

  // The dimensions; InvalidArgument when there are fewer than `least` or more than `most`.
  Result<std::vector<int64_t>> Dims(size_t least, size_t most);
  // Numbers of that name, or none when it is not given.
  std::vector<int64_t> Numbers(std::string_view name);
  // The only number of that name, or the fallback.
  Result<int64_t> Number(std::string_view name, int64_t fallback);
  bool Word(std::string_view word);
  // The first word that nobody has asked for yet; "" when there is none.
  std::string AnyWord();

  // InvalidArgument naming a part that nobody has asked for.
  Status Finish() const;

 private:
  std::vector<int64_t> dims_;
  bool dims_used_ = false;
  std::map<std::string, std::vector<int64_t>, std::less<>> numbers_;
  std::set<std::string, std::less<>> words_;
};

}  // namespace ergo::micro

#endif  // ERGO_BENCH_MICRO_SHAPE_TEXT_H_
