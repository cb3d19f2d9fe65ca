#include "bench/micro/shape_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace ergo::micro {
namespace {

// What a machine that runs benchmarks can hold, with room for products of two.
constexpr int64_t kMaxNumber = int64_t{1} << 30;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// "3x3"; empty when it is not numbers joined by x.
std::vector<int64_t> ReadNumbers(std::string_view text) {
  std::vector<int64_t> numbers;
  for (const std::string_view part : Split(text, 'x')) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value > kMaxNumber ||
        value < 0) {
      return {};
    }
    numbers.push_back(value);
  }
  return numbers;
}

}  // namespace

Result<ShapeText> ShapeText::Parse(std::string_view text) {
  ShapeText shape;
  for (const std::string_view part : Split(text, ',')) {
    const auto digit = std::find_if(part.begin(), part.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
    const std::string name(part.begin(), digit);
    const std::string_view rest = part.substr(name.size());
    const std::vector<int64_t> numbers = ReadNumbers(rest);
    const bool named = std::all_of(
        name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c) != 0 || c == '_'; });
    if (part.empty() || !named || (numbers.empty() && !rest.empty())) {
      return InvalidArgument("'{}' in '{}' is no dimensions, number or word", part, text);
    }
    bool fresh = true;
    if (name.empty()) {
      fresh = std::exchange(shape.dims_, numbers).empty();
    } else if (rest.empty()) {
      fresh = shape.words_.insert(name).second;
    } else {
      fresh = shape.numbers_.emplace(name, numbers).second;
    }
    if (!fresh) return InvalidArgument("'{}' comes twice in '{}'", part, text);
  }
  return shape;
}

Result<std::vector<int64_t>> ShapeText::Dims(size_t least, size_t most) {
  dims_used_ = true;
  if (dims_.size() < least || dims_.size() > most) {
    return InvalidArgument("{} dimensions where {} to {} are needed", dims_.size(), least, most);
  }
  return dims_;
}

std::vector<int64_t> ShapeText::Numbers(std::string_view name) {
  const auto found = numbers_.find(name);
  if (found == numbers_.end()) return {};
  std::vector<int64_t> numbers = std::move(found->second);
  numbers_.erase(found);
  return numbers;
}

Result<int64_t> ShapeText::Number(std::string_view name, int64_t fallback) {
  const std::vector<int64_t> numbers = Numbers(name);
  if (numbers.empty()) return fallback;
  if (numbers.size() > 1) return InvalidArgument("{} takes one number", name);
  return numbers.front();
}

bool ShapeText::Word(std::string_view word) {
  const auto found = words_.find(word);
  if (found == words_.end()) return false;
  words_.erase(found);
  return true;
}

std::string ShapeText::AnyWord() {
  if (words_.empty()) return "";
  return std::move(words_.extract(words_.begin()).value());
}

Status ShapeText::Finish() const {
  if (!words_.empty()) return InvalidArgument("unknown word '{}'", *words_.begin());
  if (!numbers_.empty()) return InvalidArgument("unknown number '{}'", numbers_.begin()->first);
  if (!dims_.empty() && !dims_used_) return InvalidArgument("dimensions where none are needed");
  return {};
}

}  // namespace ergo::micro
