// Plain loops: the oracle of the other variants.
#include "kernels/conv_nhwc/conv_nhwc.h"

namespace ergo {
namespace {

class NhwcConvReference final : public Kernel {
 public:
  explicit NhwcConvReference(const NhwcConvProblem& problem) : problem_(problem) {
    const ConvProblem& p = problem.conv;
    const int64_t plane = p.window.InElements();
    column_step_ = problem.planar_input ? 1 : p.in_channels;
    channel_step_ = problem.planar_input ? plane : 1;
  }

  bool MayRunInPlace(int index) const override { return index == 3 && problem_.conv.has_residual; }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = problem_.conv;
    args.parallel.Run(p.batch * p.window.out[1], [&](int64_t row, int) {
      RunRow(args, row / p.window.out[1], row % p.window.out[1]);
    });
  }

 private:
  void RunRow(const KernelArgs& args, int64_t image, int64_t oy) const {
    const ConvProblem& p = problem_.conv;
    const float* x = args.inputs[0].As<float>() + image * p.in_channels * p.window.InElements();
    const int64_t first = (image * p.window.out[1] + oy) * p.window.out[2] * p.out_channels;
    for (int64_t i = 0; i < p.window.out[2] * p.out_channels; ++i) {
      const int64_t ox = i / p.out_channels, m = i % p.out_channels;
      double sum = Convolve(x, args.inputs[1].As<float>() + m * p.Depth(), m, oy, ox);
      if (p.has_bias) sum += double{args.inputs[2].As<float>()[m]};
      if (p.has_residual) sum += double{args.inputs[3].As<float>()[first + i]};
      args.outputs[0].As<float>()[first + i] = static_cast<float>(Activate(p.activation, sum));
    }
  }

  double Convolve(const float* x, const float* w, int64_t m, int64_t oy, int64_t ox) const {
    const ConvProblem& p = problem_.conv;
    const Window& window = p.window;
    const Taps height = window.TapsWithin(1, oy), width = window.TapsWithin(2, ox);
    const int64_t group = m / p.GroupOutChannels();
    double sum = 0;
    for (int64_t c = 0; c < p.GroupInChannels(); ++c) {
      const float* plane = x + (group * p.GroupInChannels() + c) * channel_step_;
      for (int64_t ky = height.begin; ky < height.end; ++ky) {
        const int64_t row = window.Start(1, oy) + ky * window.dilations[1];
        for (int64_t kx = width.begin; kx < width.end; ++kx) {
          const int64_t column = window.Start(2, ox) + kx * window.dilations[2];
          const float weight = w[(c * window.kernel[1] + ky) * window.kernel[2] + kx];
          sum += double{weight} * double{plane[(row * window.in[2] + column) * column_step_]};
        }
      }
    }
    return sum;
  }

  const NhwcConvProblem problem_;
  int64_t column_step_, channel_step_;  // elements of X between neighbours
};

}  // namespace

MadeKernel MakeNhwcConvReference(const NhwcConvProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckNhwcConv(problem));
  return MadeKernel(std::make_unique<NhwcConvReference>(problem));
}

}  // namespace ergo
