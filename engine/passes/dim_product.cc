#include "engine/passes/dim_product.h"

#include <algorithm>
#include <charconv>

#include "engine/passes/placeholder_symbols.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

// Between the factors of a product's name; "?#12|batch".
constexpr char kTimes = '|';

}  // namespace

bool DimProduct::Multiply(const Dim& dim) {
  int64_t factor = 1;
  std::vector<std::string> symbols;
  std::string_view rest = dim.symbol;
  if (dim.Known()) {
    factor = dim.value;
  } else if (rest.starts_with(kPlaceholderPrefix) && rest.find(kTimes) != rest.npos) {
    rest.remove_prefix(kPlaceholderPrefix.size());
    std::from_chars(rest.data(), rest.data() + rest.size(), factor);
    while (rest.find(kTimes) != rest.npos) {
      rest.remove_prefix(rest.find(kTimes) + 1);
      symbols.emplace_back(rest.substr(0, rest.find(kTimes)));
    }
  } else if (!rest.empty()) {
    symbols.emplace_back(rest);
  } else {
    return false;
  }
  const auto product = CheckedMul(number_, factor);
  if (!product || *product <= 0) return false;
  number_ = *product;
  symbols_.insert(symbols_.end(), symbols.begin(), symbols.end());
  std::ranges::sort(symbols_);
  return true;
}

bool DimProduct::Divide(const DimProduct& by) {
  if (number_ % by.number_ != 0 || !std::ranges::includes(symbols_, by.symbols_)) return false;
  std::vector<std::string> left;
  std::ranges::set_difference(symbols_, by.symbols_, std::back_inserter(left));
  symbols_ = std::move(left);
  number_ /= by.number_;
  return true;
}

Dim DimProduct::AsDim() const {
  if (symbols_.empty()) return Dim(number_);
  if (number_ == 1 && symbols_.size() == 1) return Dim::Symbol(symbols_[0]);
  std::string name = fmt::format("{}{}", kPlaceholderPrefix, number_);
  for (const std::string& symbol : symbols_) name += kTimes + symbol;
  return Dim::Symbol(std::move(name));
}

}  // namespace ergo
