#include "kernels/registry.h"

#include "kernels/conv/conv.h"
#include "kernels/einsum/einsum.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/move/arrange.h"
#include "kernels/move/concat.h"
#include "kernels/move/gather.h"
#include "kernels/move/pad.h"
#include "kernels/move/scatter.h"
#include "kernels/move/strided_copy.h"
#include "kernels/norm/norm.h"
#include "kernels/pool/pool.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qlinear/qlinear.h"
#include "kernels/quantize/quantize.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/reduce/reduce.h"
#include "kernels/resize/resize.h"

namespace ergo {
namespace {

template <typename Problem>
void Add(std::vector<KernelInfo>& all, std::span<const KernelVariant<Problem>> variants) {
  for (const KernelVariant<Problem>& variant : variants) all.push_back(variant.info);
}

}  // namespace

std::vector<KernelInfo> AllKernels() {
  std::vector<KernelInfo> all;
  Add(all, EinsumVariants());
  Add(all, GemmVariants());
  Add(all, QGemmVariants());
  Add(all, ConvVariants());
  Add(all, QConvVariants());
  Add(all, QMatMulVariants());
  Add(all, QAddVariants());
  Add(all, PoolVariants());
  Add(all, UnaryVariants());
  Add(all, ReduceVariants());
  Add(all, SoftmaxVariants());
  Add(all, RecurrentVariants());
  Add(all, move::StridedCopyVariants());
  Add(all, move::ConcatVariants());
  Add(all, move::SplitVariants());
  Add(all, move::GatherVariants());
  Add(all, move::GatherElementsVariants());
  Add(all, move::GatherNdVariants());
  Add(all, move::PadVariants());
  Add(all, move::ScatterElementsVariants());
  Add(all, move::ScatterNdVariants());
  Add(all, move::OneHotVariants());
  Add(all, move::TriluVariants());
  Add(all, move::ReverseSequenceVariants());
  Add(all, ResizeVariants());
  Add(all, QuantizeVariants());
  Add(all, DequantizeVariants());
  Add(all, DynamicQuantizeVariants());
  return all;
}

}  // namespace ergo
