// How the weights of a convolution with output channels in the lanes are packed: panels
// of up to three vectors of output channels, each [depth][channel of the panel].
#ifndef ERGO_KERNELS_CONV_CHANNEL_PANELS_H_
#define ERGO_KERNELS_CONV_CHANNEL_PANELS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/parallel_for.h"

namespace ergo {

inline constexpr size_t kMaxPanelVectors = 3;

// Output channels [first, first + vectors * lanes), of which the last may not be there.
struct ChannelPanel {
  int64_t first = 0, vectors = 0;
};

// Products whose operands follow each other: `depth` elements from `offset` behind the first
// position's own on.
struct DepthSegment {
  int64_t offset = 0, depth = 0;
};

// The channels in as few panels as can be, as even as can be.
std::vector<ChannelPanel> CutPanels(int64_t channels, int64_t lanes);

// Packs weights [channels][depth] into panels, zero for channels that are not there. `place` is
// where the k-th product's weight lies within a channel.
void PackPanels(std::span<const ChannelPanel> panels, int64_t lanes, int64_t channels,
                int64_t depth, FunctionRef<int64_t(int64_t k)> place, const float* weights,
                float* packed);

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_CHANNEL_PANELS_H_
