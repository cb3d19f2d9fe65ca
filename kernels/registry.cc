#include "kernels/registry.h"

#include "kernels/attention/attention.h"
#include "kernels/attention/kv_cache.h"
#include "kernels/conv/conv.h"
#include "kernels/conv_nhwc/conv_nhwc.h"
#include "kernels/conv_nhwc/expand_depthwise.h"
#include "kernels/conv_transpose/conv_transpose.h"
#include "kernels/einsum/einsum.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/linalg/linalg.h"
#include "kernels/loss/loss.h"
#include "kernels/move/arrange.h"
#include "kernels/move/concat.h"
#include "kernels/move/gather.h"
#include "kernels/move/pad.h"
#include "kernels/move/scatter.h"
#include "kernels/move/strided_copy.h"
#include "kernels/ngram/ngram.h"
#include "kernels/norm/norm.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/pool_nhwc.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qlinear/qlinear.h"
#include "kernels/quantize/quantize.h"
#include "kernels/random/random.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/reduce/reduce.h"
#include "kernels/resize/resize.h"
#include "kernels/sample/sample.h"
#include "kernels/signal/signal.h"
#include "kernels/sort/sort.h"

namespace ergo {
namespace {

template <typename Problem>
void Add(std::vector<KernelInfo>& all, std::span<const KernelVariant<Problem>> variants) {
  for (const KernelVariant<Problem>& variant : variants) all.push_back(variant.info);
}

}  // namespace

std::vector<KernelInfo> AllKernels() {
  std::vector<KernelInfo> all;
  Add(all, AttentionVariants());
  Add(all, RotaryEmbeddingVariants());
  Add(all, LinearAttentionVariants());
  Add(all, TensorScatterVariants());
  Add(all, CausalConvVariants());
  Add(all, ConvVariants());
  Add(all, ExpandDepthwiseVariants());
  Add(all, NhwcConvVariants());
  Add(all, ConvTransposeVariants());
  Add(all, EinsumVariants());
  Add(all, UnaryVariants());
  Add(all, BinaryVariants());
  Add(all, WhereVariants());
  Add(all, CastVariants());
  Add(all, GemmVariants());
  Add(all, DetVariants());
  Add(all, LossVariants());
  Add(all, move::OneHotVariants());
  Add(all, move::TriluVariants());
  Add(all, move::ReverseSequenceVariants());
  Add(all, move::ConcatVariants());
  Add(all, move::SplitVariants());
  Add(all, move::GatherVariants());
  Add(all, move::GatherElementsVariants());
  Add(all, move::GatherNdVariants());
  Add(all, move::PadVariants());
  Add(all, move::ScatterElementsVariants());
  Add(all, move::ScatterNdVariants());
  Add(all, move::StridedCopyVariants());
  Add(all, NgramVariants());
  Add(all, SoftmaxVariants());
  Add(all, BatchNormVariants());
  Add(all, LayerNormVariants());
  Add(all, GroupNormVariants());
  Add(all, LpNormVariants());
  Add(all, LrnVariants());
  Add(all, PoolVariants());
  Add(all, NhwcPoolVariants());
  Add(all, QGemmVariants());
  Add(all, QConvVariants());
  Add(all, QMatMulVariants());
  Add(all, QAddVariants());
  Add(all, QuantizeVariants());
  Add(all, DequantizeVariants());
  Add(all, DynamicQuantizeVariants());
  Add(all, RandomVariants());
  Add(all, RecurrentVariants());
  Add(all, ReduceVariants());
  Add(all, ArgReduceVariants());
  Add(all, CumulativeVariants());
  Add(all, ResizeVariants());
  Add(all, GridSampleVariants());
  Add(all, AffineGridVariants());
  Add(all, RoiAlignVariants());
  Add(all, MaxRoiPoolVariants());
  Add(all, MaxUnpoolVariants());
  Add(all, Col2ImVariants());
  Add(all, DeformConvVariants());
  Add(all, DftVariants());
  Add(all, StftVariants());
  Add(all, TopKVariants());
  return all;
}

}  // namespace ergo
