#include <algorithm>

#include "kernels/base/visit_dtype.h"
#include "tests/emulator/emulated_driver.h"

namespace ergo::cuda::emulated {
namespace {

double Read(const void* data, DType dtype, int64_t index) {
  switch (dtype) {
    case DType::kF16: return static_cast<double>(float(static_cast<const Float16*>(data)[index]));
    case DType::kBF16: return static_cast<double>(float(static_cast<const BFloat16*>(data)[index]));
    default: return static_cast<double>(static_cast<const float*>(data)[index]);
  }
}

void Write(void* data, DType dtype, int64_t index, double value) {
  const auto narrow = static_cast<float>(value);
  switch (dtype) {
    case DType::kF16: static_cast<Float16*>(data)[index] = Float16(narrow); return;
    case DType::kBF16: static_cast<BFloat16*>(data)[index] = BFloat16(narrow); return;
    default: static_cast<float*>(data)[index] = narrow; return;
  }
}

Status PutOn(Stream& stream, std::string key, std::function<void()> run) {
  auto& driver = static_cast<EmulatedDriver&>(stream.GetGpu().GetDriver());
  return driver.Put(stream.Handle(), {std::move(key), [run = std::move(run)] {
                                        run();
                                        return Status();
                                      }});
}

class LoopMatmul final : public Matmul {
 public:
  explicit LoopMatmul(const MatmulSpec& spec) : spec_(spec) {}
  size_t WorkspaceBytes() const override { return 64; }
  Status Run(const Operands& o, Stream& stream) const override {
    return PutOn(stream, "matmul", [s = spec_, o] {
      for (int64_t b = 0; b < s.batch; ++b) {
        for (int64_t i = 0; i < s.m; ++i) {
          for (int64_t j = 0; j < s.n; ++j) Element(s, o, b, i, j);
        }
      }
    });
  }

 private:
  static void Element(const MatmulSpec& s, const Operands& o, int64_t b, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t k = 0; k < s.k; ++k) {
      const int64_t a =
          b * s.a_batch_stride + (s.trans_a ? k * s.a_row_stride + i : i * s.a_row_stride + k);
      const int64_t at =
          b * s.b_batch_stride + (s.trans_b ? j * s.b_row_stride + k : k * s.b_row_stride + j);
      sum += Read(o.a, s.dtype, a) * Read(o.b, s.dtype, at);
    }
    sum *= static_cast<double>(s.alpha);
    const int64_t d = b * s.d_batch_stride + i * s.d_row_stride + j;
    if (s.add_c) sum += Read(o.c, s.dtype, d);
    if (s.bias) sum += Read(o.bias, s.dtype, j);
    Write(o.d, s.dtype, d, s.relu ? std::max(sum, 0.0) : sum);
  }
  MatmulSpec spec_;
};

class LoopConvolution final : public Convolution {
 public:
  explicit LoopConvolution(const ConvolutionSpec& spec) : spec_(spec) {}
  size_t WorkspaceBytes() const override { return 64; }
  Status Run(const Operands& operands, Stream& stream) const override {
    return PutOn(stream, "convolution", [s = spec_, operands] {
      for (int64_t n = 0; n < s.batch; ++n) {
        for (int64_t m = 0; m < s.out_channels; ++m) {
          for (int64_t y = 0; y < s.out[0]; ++y) {
            for (int64_t x = 0; x < s.out[1]; ++x) Element(s, operands, n, m, y, x);
          }
        }
      }
    });
  }

 private:
  static int64_t At(bool last, int64_t n, int64_t c, int64_t channels, int64_t y, int64_t x,
                    const std::array<int64_t, 2>& size) {
    return last ? ((n * size[0] + y) * size[1] + x) * channels + c
                : ((n * channels + c) * size[0] + y) * size[1] + x;
  }
  static void Element(const ConvolutionSpec& s, const Operands& o, int64_t n, int64_t m, int64_t y,
                      int64_t x) {
    const int64_t depth = s.in_channels / s.groups;
    const int64_t first = m / (s.out_channels / s.groups) * depth;
    double sum = 0;
    for (int64_t c = 0; c < depth; ++c) {
      for (int64_t r = 0; r < s.kernel[0]; ++r) {
        for (int64_t q = 0; q < s.kernel[1]; ++q) {
          const int64_t row = y * s.strides[0] - s.pads_begin[0] + r * s.dilations[0];
          const int64_t column = x * s.strides[1] - s.pads_begin[1] + q * s.dilations[1];
          if (row < 0 || row >= s.in[0] || column < 0 || column >= s.in[1]) continue;
          const int64_t from = At(s.channels_last, n, first + c, s.in_channels, row, column, s.in);
          const int64_t weight = At(s.channels_last, m, c, depth, r, q, s.kernel);
          sum += Read(o.x, s.dtype, from) * Read(o.w, s.dtype, weight);
        }
      }
    }
    const int64_t to = At(s.channels_last, n, m, s.out_channels, y, x, s.out);
    if (s.bias) sum += Read(o.bias, s.dtype, m);
    if (s.residual) sum += Read(o.z, s.dtype, to);
    Write(o.y, s.dtype, to, s.relu ? std::max(sum, 0.0) : sum);
  }
  ConvolutionSpec spec_;
};

class Loops final : public Libraries {
 public:
  Result<std::unique_ptr<Matmul>> MakeMatmul(const MatmulSpec& spec) override {
    return std::unique_ptr<Matmul>(std::make_unique<LoopMatmul>(spec));
  }
  Result<std::unique_ptr<Convolution>> MakeConvolution(const ConvolutionSpec& spec) override {
    return std::unique_ptr<Convolution>(std::make_unique<LoopConvolution>(spec));
  }
};

}  // namespace

std::unique_ptr<Libraries> EmulatedLibraries() {
  return std::make_unique<Loops>();
}

}  // namespace ergo::cuda::emulated
