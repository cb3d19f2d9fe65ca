#include <memory>

#include "kernels/qgemm/qgemm.h"

namespace ergo {
namespace {

template <typename A, typename B>
class QGemmReference final : public Kernel {
 public:
  QGemmReference(const QGemmProblem& problem, const GemmProblem& geometry)
      : problem_(problem), geometry_(geometry) {}

  void Run(const KernelArgs& args) const override {
    const int64_t rows = geometry_.batch.Elements() * geometry_.m;
    args.parallel.Run(rows, [&](int64_t row, int) { RunRow(args, row); });
  }

 private:
  template <typename T>
  static int32_t ZeroAt(const KernelArgs& args, size_t input, ZeroPoint kind, int64_t index) {
    if (kind == ZeroPoint::kNone) return 0;
    return args.inputs[input].As<T>()[kind == ZeroPoint::kScalar ? 0 : index];
  }

  void RunRow(const KernelArgs& args, int64_t row) const {
    const int64_t i = row % geometry_.m;
    const GemmOffsets offsets = GemmOffsetsOf(geometry_, row / geometry_.m);
    const A* a = args.inputs[0].As<A>() + offsets.a + i * geometry_.ARowStride();
    const B* b = args.inputs[1].As<B>() + offsets.b;
    const int32_t zero_a = ZeroAt<A>(args, 2, problem_.a_zero, i);
    int32_t* d = args.outputs[0].As<int32_t>() + row * geometry_.n;
    for (int64_t j = 0; j < geometry_.n; ++j) {
      const int32_t zero_b = ZeroAt<B>(args, 3, problem_.b_zero, j);
      uint32_t sum = 0;
      for (int64_t p = 0; p < geometry_.k; ++p) {
        const int32_t product = (a[p] - zero_a) * (b[p * geometry_.n + j] - zero_b);
        sum += static_cast<uint32_t>(product);
      }
      d[j] = static_cast<int32_t>(sum);
    }
  }

  const QGemmProblem problem_;
  const GemmProblem geometry_;
};

template <typename A>
std::unique_ptr<Kernel> MakeFor(const QGemmProblem& problem, const GemmProblem& geometry) {
  if (problem.b_dtype == DType::kU8) {
    return std::make_unique<QGemmReference<A, uint8_t>>(problem, geometry);
  }
  return std::make_unique<QGemmReference<A, int8_t>>(problem, geometry);
}

}  // namespace

MadeKernel MakeQGemmReference(const QGemmProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const GemmProblem geometry, QGemmGeometry(problem));
  return problem.a_dtype == DType::kU8 ? MakeFor<uint8_t>(problem, geometry)
                                       : MakeFor<int8_t>(problem, geometry);
}

}  // namespace ergo
