#include "kernels/sample/sample.h"

#include "kernels/sample/sample_variants.h"

namespace ergo {
namespace {

template <typename Problem>
struct Table {
  static constexpr KernelVariant<Problem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"sample", name, device, dtypes, layout, needs}, make},
#include "kernels/sample/sample_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
};

int64_t Product(const std::array<int64_t, kMaxSpatial>& dims, int count) {
  int64_t product = 1;
  for (int i = 0; i < count; ++i) product *= dims[static_cast<size_t>(i)];
  return product;
}

}  // namespace

std::span<const KernelVariant<GridSampleProblem>> GridSampleVariants() {
  return Table<GridSampleProblem>::kVariants;
}
std::span<const KernelVariant<AffineGridProblem>> AffineGridVariants() {
  return Table<AffineGridProblem>::kVariants;
}
std::span<const KernelVariant<RoiAlignProblem>> RoiAlignVariants() {
  return Table<RoiAlignProblem>::kVariants;
}
std::span<const KernelVariant<MaxRoiPoolProblem>> MaxRoiPoolVariants() {
  return Table<MaxRoiPoolProblem>::kVariants;
}
std::span<const KernelVariant<MaxUnpoolProblem>> MaxUnpoolVariants() {
  return Table<MaxUnpoolProblem>::kVariants;
}
std::span<const KernelVariant<Col2ImProblem>> Col2ImVariants() {
  return Table<Col2ImProblem>::kVariants;
}
std::span<const KernelVariant<DeformConvProblem>> DeformConvVariants() {
  return Table<DeformConvProblem>::kVariants;
}

KernelCost CostOf(const GridSampleProblem& p) {
  const int64_t in = p.batch * p.channels * Product(p.in, p.spatial);
  const int64_t places = p.batch * Product(p.out, p.spatial);
  return {2 * (int64_t{1} << p.spatial) * places * p.channels,
          DTypeBytes(p.dtype, in) + DTypeBytes(p.grid_dtype, places * p.spatial),
          DTypeBytes(p.dtype, places * p.channels)};
}

KernelCost CostOf(const AffineGridProblem& p) {
  const int64_t places = p.batch * Product(p.out, p.spatial);
  return {2 * places * p.spatial * (p.spatial + 1),
          DTypeBytes(p.dtype, p.batch * p.spatial * (p.spatial + 1)),
          DTypeBytes(p.dtype, places * p.spatial)};
}

KernelCost CostOf(const RoiAlignProblem& p) {
  const int64_t out = p.count * p.channels * p.out_height * p.out_width;
  return {8 * out, DTypeBytes(p.dtype, p.batch * p.channels * p.height * p.width),
          DTypeBytes(p.dtype, out)};
}

KernelCost CostOf(const MaxRoiPoolProblem& p) {
  const int64_t in = p.batch * p.channels * p.height * p.width;
  return {in, DTypeBytes(p.dtype, in),
          DTypeBytes(p.dtype, p.count * p.channels * p.out_height * p.out_width)};
}

KernelCost CostOf(const MaxUnpoolProblem& p) {
  return {0, DTypeBytes(p.dtype, p.elements) + 8 * p.elements,
          DTypeBytes(p.dtype, p.outer.Elements())};
}

KernelCost CostOf(const Col2ImProblem& p) {
  const int64_t in =
      p.batch * p.channels * Product(p.block, p.spatial) * Product(p.blocks, p.spatial);
  return {in, DTypeBytes(p.dtype, in),
          DTypeBytes(p.dtype, p.batch * p.channels * Product(p.image, p.spatial))};
}

KernelCost CostOf(const DeformConvProblem& p) {
  const int64_t out = p.batch * p.out_channels * p.out[0] * p.out[1];
  const int64_t taps = p.kernel[0] * p.kernel[1];
  return {2 * out * taps * p.in_channels / p.groups,
          DTypeBytes(p.dtype, p.batch * p.in_channels * p.in[0] * p.in[1] +
                                  p.out_channels * p.in_channels / p.groups * taps),
          DTypeBytes(p.dtype, out)};
}

}  // namespace ergo
