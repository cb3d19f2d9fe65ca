#include "engine/passes/dim_arithmetic.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "engine/passes/placeholder_symbols.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

// Between the parts of a placeholder's name: "?#12|batch" is 12 times batch, "?#+1+past" is past
// plus 1.
constexpr char kTimes = '|', kPlus = '+';

struct Parts {
  int64_t number;
  std::vector<std::string> symbols;
};

// The parts of a dimension's name: of a placeholder that joins them, or the name itself, with the
// number that does nothing. nullopt for a name that cannot be part of one.
std::optional<Parts> PartsOf(const std::string& name, char joint, int64_t neutral) {
  std::string_view rest = name;
  if (rest.empty()) return std::nullopt;
  Parts parts{neutral, {}};
  std::string prefix(kPlaceholderPrefix);
  if (joint == kPlus) prefix += kPlus;
  const bool joined = rest.starts_with(prefix) && rest.size() > prefix.size() &&
                      rest[prefix.size()] >= '0' && rest[prefix.size()] <= '9' &&
                      rest.find(joint, prefix.size()) != rest.npos;
  if (!joined) {
    if (rest.find(kTimes) != rest.npos || rest.find(kPlus) != rest.npos) return std::nullopt;
    parts.symbols.push_back(name);
    return parts;
  }
  rest.remove_prefix(prefix.size());
  std::from_chars(rest.data(), rest.data() + rest.size(), parts.number);
  while (rest.find(joint) != rest.npos) {
    rest.remove_prefix(rest.find(joint) + 1);
    parts.symbols.emplace_back(rest.substr(0, rest.find(joint)));
  }
  return parts;
}

void Insert(std::vector<std::string>& symbols, const std::vector<std::string>& more) {
  symbols.insert(symbols.end(), more.begin(), more.end());
  std::ranges::sort(symbols);
}

// False, and nothing changed, unless all of `fewer` are among `symbols`.
bool Remove(std::vector<std::string>& symbols, const std::vector<std::string>& fewer) {
  if (!std::ranges::includes(symbols, fewer)) return false;
  std::vector<std::string> left;
  std::ranges::set_difference(symbols, fewer, std::back_inserter(left));
  symbols = std::move(left);
  return true;
}

Dim Join(int64_t number, int64_t neutral, const std::vector<std::string>& symbols, char joint) {
  if (symbols.empty()) return Dim(number);
  if (number == neutral && symbols.size() == 1) return Dim::Symbol(symbols[0]);
  std::string name(kPlaceholderPrefix);
  if (joint == kPlus) name += kPlus;
  name += std::to_string(number);
  for (const std::string& symbol : symbols) name += joint + symbol;
  return Dim::Symbol(std::move(name));
}

}  // namespace

bool DimProduct::Multiply(const Dim& dim) {
  const auto parts =
      dim.Known() ? std::optional(Parts{dim.value, {}}) : PartsOf(dim.symbol, kTimes, 1);
  if (!parts) return false;
  const auto product = CheckedMul(number_, parts->number);
  if (!product || *product <= 0) return false;
  number_ = *product;
  Insert(symbols_, parts->symbols);
  return true;
}

bool DimProduct::Divide(const DimProduct& by) {
  if (number_ % by.number_ != 0 || !Remove(symbols_, by.symbols_)) return false;
  number_ /= by.number_;
  return true;
}

Dim DimProduct::AsDim() const {
  return Join(number_, 1, symbols_, kTimes);
}

bool DimSum::Add(const Dim& dim) {
  const auto parts =
      dim.Known() ? std::optional(Parts{dim.value, {}}) : PartsOf(dim.symbol, kPlus, 0);
  if (!parts) return false;
  const auto sum = CheckedAdd(number_, parts->number);
  if (!sum) return false;
  number_ = *sum;
  Insert(symbols_, parts->symbols);
  return true;
}

bool DimSum::Subtract(const DimSum& other) {
  if (number_ < other.number_ || !Remove(symbols_, other.symbols_)) return false;
  number_ -= other.number_;
  return true;
}

Dim DimSum::AsDim() const {
  return Join(number_, 0, symbols_, kPlus);
}

}  // namespace ergo
