// Names in use, and new ones that are not. In constant time a name, however many there are and
// however alike.
#ifndef ERGO_FORMATS_ONNX_NAME_SET_H_
#define ERGO_FORMATS_ONNX_NAME_SET_H_

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace ergo::onnx {

class NameSet {
 public:
  // False when it is there already.
  bool Insert(std::string_view name) { return names_.emplace(name).second; }

  // `hint` if that is free (and not empty), else hint_1, hint_2, ...; taken from then on.
  std::string MakeUnique(std::string_view hint) {
    if (!hint.empty() && Insert(hint)) return std::string(hint);
    int& next = next_[std::string(hint)];
    while (true) {
      std::string candidate = fmt::format("{}_{}", hint, ++next);
      if (Insert(candidate)) return candidate;
    }
  }

 private:
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, int> next_;
};

}  // namespace ergo::onnx

#endif  // ERGO_FORMATS_ONNX_NAME_SET_H_
