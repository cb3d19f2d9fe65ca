// KernelChoices: which variants the kernels of single nodes take, as measured on one kind of
// machine (engine/tune) and kept in the model's metadata.
//
// Thread safety: as std::map's.
#ifndef ERGO_ENGINE_PLAN_KERNEL_CHOICES_H_
#define ERGO_ENGINE_PLAN_KERNEL_CHOICES_H_

#include <map>
#include <string>
#include <string_view>

#include "engine/graph/graph.h"

namespace ergo {

class KernelChoices {
 public:
  // `forced` as in SelectOptions, for the node with this label ("Conv 'conv_3'").
  void Set(std::string label, std::string forced) { forced_[std::move(label)] = std::move(forced); }
  // "" where nothing was chosen.
  std::string_view For(std::string_view label) const {
    const auto found = forced_.find(label);
    return found == forced_.end() ? std::string_view() : std::string_view(found->second);
  }
  bool Empty() const { return forced_.empty(); }

  // A line a node: the variants, a tab, the label. Labels with line breaks are left out.
  std::string ToText() const;
  // Lines that are no such lines are passed over: they can only cost speed.
  static KernelChoices FromText(std::string_view text);

 private:
  std::map<std::string, std::string, std::less<>> forced_;
};

// The key of a graph's metadata under which choices for this kind of processor and so many threads
// stand; a file can hold those for several.
std::string ChoicesKey(int threads);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_KERNEL_CHOICES_H_
