// PhaseLayout: where the columns of a padded row stand once it is split by the stride
// (kernels/base/phase_rows-inl.h does the splitting and says why).
#ifndef ERGO_KERNELS_BASE_PHASE_LAYOUT_H_
#define ERGO_KERNELS_BASE_PHASE_LAYOUT_H_

#include <algorithm>
#include <cstdint>

#include "kernels/base/checked_math.h"
#include "kernels/base/window.h"

namespace ergo {

struct PhaseLayout {
  int64_t first = 0;  // element of the input row that stands behind the padding
  int64_t in = 0;     // elements from there to the end of the input row
  int64_t pad = 0;    // columns of padding before them
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pitch = 0;         // slots of one phase
  int64_t phase_stride = 0;  // elements from one phase to the next; at least pitch

  // What the outputs [begin, end) of the window's last axis look at. Column 0 is tap 0 of `begin`.
  // Vectors of `lanes` outputs may be loaded from any tap's slot for outputs below `end` - `begin`
  // rounded up to `lanes`: the row is that long.
  static PhaseLayout ForOutputs(const Window& window, int64_t begin, int64_t end, int64_t lanes) {
    const int64_t start = window.Start(2, begin);
    PhaseLayout layout;
    layout.first = std::clamp<int64_t>(start, 0, window.in[2]);
    layout.in = window.in[2] - layout.first;
    layout.pad = std::max<int64_t>(-start, 0);
    layout.stride = window.strides[2];
    layout.dilation = window.dilations[2];
    const int64_t reach = (window.Extent(2) - 1) / layout.stride + 1;
    layout.pitch = RoundUp(RoundUp(end - begin, lanes) + reach, lanes);
    layout.phase_stride = layout.pitch;
    return layout;
  }

  // Elements of the input row that fit in it; the rest no window reaches.
  int64_t UsedIn() const { return std::clamp<int64_t>(pitch * stride - pad, 0, in); }
  int64_t Elements() const { return phase_stride * stride; }
  // Where column i of the padded row stands.
  int64_t Offset(int64_t column) const { return column % stride * phase_stride + column / stride; }
};

// The taps of output `begin` one after the other, without a division for each: offset = phase *
// phase_stride + slot. Tap k of output begin + o stands o elements further.
class TapWalk {
 public:
  explicit TapWalk(const PhaseLayout& layout)
      : layout_(layout),
        phase_step_(layout.dilation % layout.stride),
        slot_step_(layout.dilation / layout.stride) {}

  int64_t Offset() const { return phase_ * layout_.phase_stride + slot_; }
  void Next() {
    phase_ += phase_step_;
    slot_ += slot_step_;
    if (phase_ < layout_.stride) return;
    phase_ -= layout_.stride;
    ++slot_;
  }

 private:
  const PhaseLayout& layout_;
  int64_t phase_step_, slot_step_;
  int64_t phase_ = 0, slot_ = 0;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_PHASE_LAYOUT_H_
