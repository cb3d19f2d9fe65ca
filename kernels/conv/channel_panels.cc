#include "kernels/conv/channel_panels.h"

#include "kernels/base/checked_math.h"

namespace ergo {

std::vector<ChannelPanel> CutPanels(int64_t channels, int64_t lanes) {
  std::vector<ChannelPanel> panels;
  const int64_t vectors = CeilDiv(channels, lanes);
  int64_t parts = CeilDiv(vectors, static_cast<int64_t>(kMaxPanelVectors));
  for (int64_t v = 0; v < vectors; --parts) {
    const int64_t count = CeilDiv(vectors - v, parts);
    panels.push_back({v * lanes, count});
    v += count;
  }
  return panels;
}

void PackPanels(std::span<const ChannelPanel> panels, int64_t lanes, int64_t channels,
                int64_t depth, FunctionRef<int64_t(int64_t k)> place, const float* weights,
                float* packed) {
  for (const ChannelPanel& panel : panels) {
    const int64_t width = panel.vectors * lanes;
    for (int64_t k = 0; k < depth; ++k) {
      const float* from = weights + place(k);
      for (int64_t c = 0; c < width; ++c) {
        const int64_t channel = panel.first + c;
        *packed++ = channel < channels ? from[channel * depth] : 0.0f;
      }
    }
  }
}

}  // namespace ergo
