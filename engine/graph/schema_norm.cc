// Softmax and normalizations: the output's shape is the first input's.
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status InferSame(InferContext& context) {
  return context.SetOutput(0, context.InputType(0), context.InputShape(0));
}

Status InferSoftmax(InferContext& context) {
  const SymbolicShape& shape = context.InputShape(0);
  if (shape.RankKnown()) {
    const Node& node = context.GetNode();
    const int64_t axis = node.IntAttr("axis", node.opset < 13 ? 1 : -1);
    ERGO_RETURN_IF_ERROR(NormalizeAxis(axis, shape.Rank()).status());
  }
  return InferSame(context);
}

// Outputs behind the first are statistics of training, one number a channel: the running mean and
// variance, and before opset 14 those of the batch.
Status InferBatchNorm(InferContext& context) {
  ERGO_RETURN_IF_ERROR(InferSame(context));
  for (size_t i = 1; i < context.OutputCount(); ++i) {
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, context.InputType(3), context.InputShape(3)));
  }
  return {};
}

// Mean and InvStdDev have x's shape, with 1 from `axis` on.
Status InferLayerNorm(InferContext& context) {
  ERGO_RETURN_IF_ERROR(InferSame(context));
  SymbolicShape moments;
  if (const SymbolicShape& shape = context.InputShape(0); shape.RankKnown()) {
    ERGO_ASSIGN_OR_RETURN(const int axis,
                          NormalizeAxis(context.GetNode().IntAttr("axis", -1), shape.Rank()));
    moments = shape;
    for (int i = axis; i < shape.Rank(); ++i) moments[i] = Dim(1);
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(1, DType::kF32, moments));
  return context.SetOutput(2, DType::kF32, moments);
}

Status InferRmsNorm(InferContext& context) {
  return context.SetOutput(0, context.InputType(1), context.InputShape(0));
}

constexpr OpSchema kSchemas[] = {
    {"", "BatchNormalization", 7, 5, 5, 1, 5, InferBatchNorm},
    {"", "BatchNormalization", 14, 5, 5, 1, 3, InferBatchNorm},
    {"", "GroupNormalization", 18, 3, 3, 1, 1, InferSame},
    {"", "Hardmax", 1, 1, 1, 1, 1, InferSoftmax},
    {"", "InstanceNormalization", 1, 3, 3, 1, 1, InferSame},
    // Of opset 17, but ONNX Runtime's optimizers put it into models of any.
    {"", "LayerNormalization", 1, 2, 3, 1, 3, InferLayerNorm},
    {"", "LogSoftmax", 1, 1, 1, 1, 1, InferSoftmax},
    {"", "LpNormalization", 1, 1, 1, 1, 1, InferSame},
    {"", "LRN", 1, 1, 1, 1, 1, InferSame},
    {"", "MeanVarianceNormalization", 9, 1, 1, 1, 1, InferSame},
    {"", "RMSNormalization", 23, 2, 2, 1, 1, InferRmsNorm},
    {"", "Softmax", 1, 1, 1, 1, 1, InferSoftmax},
};

}  // namespace

std::span<const OpSchema> NormSchemas() {
  return kSchemas;
}

}  // namespace ergo
