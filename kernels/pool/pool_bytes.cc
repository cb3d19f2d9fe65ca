// Max pooling of bytes, vectorized along the width. The rows of a window are combined first, over
// the width of the input, into a buffer that ends in padding on both sides; then its columns.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/pool_bytes.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/pool/pool.h"

#ifndef ERGO_KERNELS_POOL_POOL_BYTES_CC_ONCE_
#define ERGO_KERNELS_POOL_POOL_BYTES_CC_ONCE_
namespace ergo {
namespace {

constexpr int64_t kGrainTaps = 1 << 16;  // of one task, about ten microseconds

// Bytes of one worker's buffer: what the outputs of a row look at, and the rest of a vector of
// outputs.
int64_t BufferBytes(const Window& window) {
  const int64_t seen = (window.out[2] - 1) * window.strides[2] + window.Extent(2);
  const int64_t slack = int64_t{HWY_MAX_BYTES} * (window.strides[2] + 1);
  return RoundUp(std::max(seen, window.pads_begin[2] + window.in[2]) + slack,
                 static_cast<int64_t>(kTensorAlignment));
}

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
class BytePooling {
 public:
  BytePooling(const PoolProblem& problem, const KernelArgs& args, std::byte* buffer)
      : window_(problem.window),
        x_(static_cast<const T*>(args.inputs[0].data)),
        y_(static_cast<T*>(args.outputs[0].data)),
        buffer_(reinterpret_cast<T*>(buffer)) {}

  // Rows [begin, end) of all output rows of all planes.
  void Run(int64_t begin, int64_t end) {
    std::memset(buffer_, kLowestByte, static_cast<size_t>(BufferBytes(window_)));
    for (int64_t row = begin; row < end; ++row) {
      const int64_t oh = row % window_.out[1], od = row / window_.out[1] % window_.out[0];
      const int64_t plane = row / window_.out[1] / window_.out[0];
      CombineRows(x_ + plane * window_.InElements(), od, oh);
      CombineColumns(y_ + row * window_.out[2]);
    }
  }

 private:
  using D = hn::ScalableTag<T>;
  static constexpr T kLowest = std::numeric_limits<T>::min();
  static constexpr int kLowestByte = std::is_signed_v<T> ? 0x80 : 0;

  void CombineRows(const T* plane, int64_t od, int64_t oh) {
    const Taps depth = window_.TapsWithin(0, od), height = window_.TapsWithin(1, oh);
    T* to = buffer_ + window_.pads_begin[2];
    bool first = true;
    for (int64_t kd = depth.begin; kd < depth.end; ++kd) {
      const int64_t z = window_.Start(0, od) + kd * window_.dilations[0];
      for (int64_t kh = height.begin; kh < height.end; ++kh) {
        const int64_t at = z * window_.in[1] + window_.Start(1, oh) + kh * window_.dilations[1];
        Combine(plane + at * window_.in[2], first, to);
        first = false;
      }
    }
    if (first) std::fill_n(to, window_.in[2], kLowest);
  }

  void Combine(const T* HWY_RESTRICT row, bool first, T* HWY_RESTRICT to) const {
    if (first) {
      std::memcpy(to, row, static_cast<size_t>(window_.in[2]));
      return;
    }
    const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
    int64_t i = 0;
    for (; i + lanes <= window_.in[2]; i += lanes) {
      hn::StoreU(hn::Max(hn::LoadU(D(), row + i), hn::LoadU(D(), to + i)), D(), to + i);
    }
    for (; i < window_.in[2]; ++i) to[i] = std::max(to[i], row[i]);
  }

  void CombineColumns(T* y) const {
    switch (window_.strides[2]) {
      case 1: return Columns<1>(y);
      case 2: return Columns<2>(y);
      default: break;
    }
    for (int64_t o = 0; o < window_.out[2]; ++o) {
      T largest = kLowest;
      for (int64_t k = 0; k < window_.kernel[2]; ++k) {
        largest = std::max(largest, buffer_[o * window_.strides[2] + k * window_.dilations[2]]);
      }
      y[o] = largest;
    }
  }

  template <int64_t kStride>
  void Columns(T* y) const {
    const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
    for (int64_t o = 0; o < window_.out[2]; o += lanes) {
      auto largest = hn::Set(D(), kLowest);
      for (int64_t k = 0; k < window_.kernel[2]; ++k) {
        const T* from = buffer_ + o * kStride + k * window_.dilations[2];
        auto seen = hn::LoadU(D(), from);
        if constexpr (kStride == 2) {
          hn::Vec<D> odd;
          hn::LoadInterleaved2(D(), from, seen, odd);
        }
        largest = hn::Max(largest, seen);
      }
      if (window_.out[2] - o >= lanes) {
        hn::StoreU(largest, D(), y + o);
      } else {
        HWY_ALIGN T rest[hn::MaxLanes(D())];
        hn::Store(largest, D(), rest);
        std::memcpy(y + o, rest, static_cast<size_t>(window_.out[2] - o));
      }
    }
  }

  const Window& window_;
  const T* x_;
  T* y_;
  T* buffer_;
};

void RunPoolBytes(const PoolProblem& problem, const KernelArgs& args, std::byte* buffer,
                  int64_t begin, int64_t end) {
  if (problem.dtype == DType::kU8) {
    BytePooling<uint8_t>(problem, args, buffer).Run(begin, end);
  } else {
    BytePooling<int8_t>(problem, args, buffer).Run(begin, end);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunPoolBytes);

using PoolBytesFunction = void (*)(const PoolProblem& problem, const KernelArgs& args,
                                   std::byte* buffer, int64_t begin, int64_t end);

class PoolBytes final : public Kernel {
 public:
  PoolBytes(const PoolProblem& problem, int max_workers)
      : problem_(problem),
        buffer_bytes_(BufferBytes(problem.window)),
        workspace_bytes_(static_cast<size_t>(buffer_bytes_ * max_workers)),
        run_(&HWY_DYNAMIC_DISPATCH(RunPoolBytes)) {}

  size_t WorkspaceBytes() const override { return workspace_bytes_; }

  void Run(const KernelArgs& args) const override {
    const Window& window = problem_.window;
    const int64_t row_taps = std::max<int64_t>(window.out[2] * window.KernelElements(), 1);
    ParallelRanges(args.parallel, problem_.planes * window.out[0] * window.out[1],
                   CeilDiv(kGrainTaps, row_taps), [&](int64_t begin, int64_t end, int worker) {
                     run_(problem_, args, args.workspace.data() + worker * buffer_bytes_, begin,
                          end);
                   });
  }

 private:
  const PoolProblem problem_;
  const int64_t buffer_bytes_;
  const size_t workspace_bytes_;
  const PoolBytesFunction run_;
};

}  // namespace

MadeKernel MakePoolBytes(const PoolProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckPool(problem));
  if (problem.dtype != DType::kU8 && problem.dtype != DType::kI8) {
    return Unsupported("{} tensors", DTypeName(problem.dtype));
  }
  if (problem.has_indices) return Unsupported("indices");
  if (problem.window.OutElements() == 0) return Unsupported("nothing to compute");
  ChooseSimdTarget();
  return std::unique_ptr<Kernel>(new PoolBytes(problem, context.max_workers));
}

}  // namespace ergo
#endif  // HWY_ONCE
