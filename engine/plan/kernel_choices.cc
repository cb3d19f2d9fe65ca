#include "engine/plan/kernel_choices.h"

#include "kernels/base/processor.h"

namespace ergo {

std::string KernelChoices::ToText() const {
  std::string text;
  for (const auto& [label, forced] : forced_) {
    if (label.find('\n') == std::string::npos) text += forced + '\t' + label + '\n';
  }
  return text;
}

KernelChoices KernelChoices::FromText(std::string_view text) {
  KernelChoices choices;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    choices.Set(std::string(line.substr(tab + 1)), std::string(line.substr(0, tab)));
  }
  return choices;
}

std::string ChoicesKey(int threads) {
  return fmt::format("ergo.tuned {} threads={}", ProcessorKind(), threads);
}

}  // namespace ergo
