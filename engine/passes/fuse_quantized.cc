// FusedConv, FusedGemm and Add between quantized tensors become ergo.QuantizedConv, QuantizedGemm
// and QuantizedAdd:
// first the DequantizeLinear of their operands goes into them, then the QuantizeLinear of their
// result. What else reads a dequantized tensor keeps its DequantizeLinear.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/qdq.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

// Inputs of the quantized operators.
enum Input : size_t { kX, kScaleX, kZeroX, kW, kScaleW, kZeroW, kScaleY, kZeroY, kBias, kZ };

bool IsQuantizedOp(const Node& node) {
  return node.domain == "ergo" && (node.op == "QuantizedConv" || node.op == "QuantizedGemm");
}

ValueId AddConstantLike(Graph& graph, ValueId like, std::string_view suffix, Tensor tensor) {
  const std::string hint = graph.GetValue(like).name + std::string(suffix);
  return graph.AddConstant(graph.UniqueName(hint), std::move(tensor));
}

// [n, k] as [k, n].
Tensor Transposed(const Tensor& bytes) {
  const int64_t rows = bytes.GetShape()[0], columns = bytes.GetShape()[1];
  const auto* from = static_cast<const uint8_t*>(bytes.Data());
  AlignedBuffer to = AlignedBuffer::AllocateOrDie(static_cast<size_t>(bytes.Bytes()));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to.As<uint8_t>()[j * rows + i] = from[i * columns + j];
  }
  return Tensor(bytes.Type(), Shape{columns, rows}, std::move(to));
}

class QuantizedFuser {
 public:
  explicit QuantizedFuser(Graph& graph)
      : graph_(graph), producers_(graph.Producers()), rewriter_(graph) {}

  int Run() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      const Node& node = graph_.GetNode(id);
      std::optional<Node> fused;
      if (node.domain == "ergo" && (node.op == "FusedConv" || node.op == "FusedGemm")) {
        fused = FromFloat(node);
      } else if (IsQuantizedOp(node)) {
        fused = WithQuantizedResidual(node);
      }
      if (fused) rewriter_.Replace(id, std::move(*fused));
      if (node.Is("QuantizeLinear")) {
        AbsorbQuantize(id);
        AbsorbAdd(id);
      }
    }
    return rewriter_.Finish();
  }

 private:
  std::optional<Node> FromFloat(const Node& node) {
    const bool conv = node.op == "FusedConv";
    const bool trans_b = node.IntAttr("trans_b", 0) != 0;
    const Node* x = DequantizeOf(graph_, producers_, node.inputs[0]);
    const Node* w = DequantizeOf(graph_, producers_, node.inputs[1]);
    if (x == nullptr || w == nullptr || node.IntAttr("trans_a", 0) != 0) return std::nullopt;
    const auto x_quantization = TensorQuantization(graph_, *x);
    if (!x_quantization) return std::nullopt;

    Node fused = node;
    fused.op = conv ? "QuantizedConv" : "QuantizedGemm";
    fused.attributes.erase("trans_a");
    fused.attributes.erase("trans_b");
    fused.inputs.assign(kZ, kNoValue);
    fused.inputs[kX] = x->inputs[0];
    fused.inputs[kScaleX] = x_quantization->scale;
    fused.inputs[kZeroX] = x_quantization->zero;
    if (!SetWeights(*w, conv, trans_b, fused)) return std::nullopt;
    fused.inputs[kBias] = BiasOf(fused, node.Input(2));
    if (node.HasInput(kFusedResidual)) fused.inputs.push_back(node.inputs[kFusedResidual]);
    while (fused.inputs.back() == kNoValue) fused.inputs.pop_back();
    return fused;
  }

  // Weights of 8 bits, with one scale for all or, where they are constant, one an output channel.
  bool SetWeights(const Node& w, bool conv, bool trans_b, Node& fused) {
    const Value& weights = graph_.GetValue(w.inputs[0]);
    if ((weights.dtype != DType::kI8 && weights.dtype != DType::kU8) || !w.HasInput(1) ||
        graph_.GetValue(w.inputs[1]).dtype != DType::kF32 || w.IntAttr("block_size", 0) != 0 ||
        !weights.shape.RankKnown()) {
      return false;
    }
    const int rank = weights.shape.Rank();
    const int channel_axis = conv ? 0 : trans_b ? rank - 2 : rank - 1;
    if (!IsSingle(graph_, w.inputs[1])) {
      const int64_t axis = w.IntAttr("axis", 1);
      const bool by_channel = (axis < 0 ? axis + rank : axis) == channel_axis;
      // One a column stands for every matrix of a batch.
      if (!by_channel || (!conv && rank != 2)) return false;
    }
    const Tensor* constant = graph_.Constant(w.inputs[0]);
    if (conv && constant == nullptr) return false;
    if (trans_b && (constant == nullptr || rank != 2)) return false;
    fused.inputs[kW] =
        trans_b ? AddConstantLike(graph_, w.inputs[0], "/transposed", Transposed(*constant))
                : w.inputs[0];
    fused.inputs[kScaleW] = w.inputs[1];
    fused.inputs[kZeroW] = w.Input(2);
    return true;
  }

  // The int32 bias behind a DequantizeLinear whose scale is that of the sums, else the bias as it
  // is.
  ValueId BiasOf(const Node& fused, ValueId bias) {
    const Node* dequantize = DequantizeOf(graph_, producers_, bias);
    if (dequantize == nullptr || dequantize->HasInput(2)) return bias;
    const Tensor* sums = graph_.Constant(dequantize->inputs[0]);
    const Tensor* scale = graph_.Constant(dequantize->inputs[1]);
    const Tensor* x = graph_.Constant(fused.inputs[kScaleX]);
    const Tensor* w = graph_.Constant(fused.inputs[kScaleW]);
    if (sums == nullptr || scale == nullptr || x == nullptr || w == nullptr ||
        sums->Type() != DType::kI32 || scale->Type() != DType::kF32) {
      return bias;
    }
    const auto channels = static_cast<size_t>(sums->Elements());
    const auto at = [](const Tensor& tensor, size_t i) {
      return double{tensor.Span<float>()[tensor.Elements() == 1 ? 0 : i]};
    };
    const auto fits = [&](const Tensor& tensor) {
      return tensor.Elements() == 1 || tensor.Elements() == sums->Elements();
    };
    if (!fits(*scale) || !fits(*w)) return bias;
    constexpr double kTolerance = 1e-5;
    for (size_t i = 0; i < channels; ++i) {
      const double expected = at(*x, 0) * at(*w, i);
      if (std::abs(at(*scale, i) - expected) > kTolerance * std::abs(expected)) return bias;
    }
    return dequantize->inputs[0];
  }

  std::optional<Node> WithQuantizedResidual(const Node& node) {
    const Node* z = DequantizeOf(graph_, producers_, node.Input(kZ));
    if (z == nullptr) return std::nullopt;
    const auto quantization = TensorQuantization(graph_, *z);
    if (!quantization) return std::nullopt;
    Node fused = node;
    fused.inputs[kZ] = z->inputs[0];
    fused.inputs.push_back(quantization->scale);
    if (quantization->zero != kNoValue) fused.inputs.push_back(quantization->zero);
    return fused;
  }

  void AbsorbQuantize(NodeId id) {
    const Node& quantize = graph_.GetNode(id);
    const ValueId absorbed = quantize.inputs[0];
    const Node* producer = rewriter_.SoleProducer(absorbed);
    const auto quantization = TensorQuantization(graph_, quantize);
    if (producer == nullptr || !quantization || !IsQuantizedOp(*producer) ||
        producer->HasInput(kScaleY)) {
      return;
    }
    Node fused = *producer;
    fused.inputs.resize(std::max<size_t>(fused.inputs.size(), kBias), kNoValue);
    fused.inputs[kScaleY] = quantization->scale;
    fused.inputs[kZeroY] = quantization->zero;
    if (quantization->zero == kNoValue) {
      fused.inputs[kZeroY] =
          AddConstantLike(graph_, quantize.outputs[0], "/zero", Tensor::Scalar<uint8_t>(0));
    }
    rewriter_.FuseForward(id, absorbed, std::move(fused));
  }

  // Q(DQ(a) + DQ(b)), with or without a Relu between.
  void AbsorbAdd(NodeId id) {
    const Node quantize = graph_.GetNode(id);
    const auto result = TensorQuantization(graph_, quantize);
    if (!quantize.Is("QuantizeLinear") || !result) return;
    ValueId relu = kNoValue, sum = quantize.inputs[0];
    const Node* add = rewriter_.SoleProducer(sum);
    if (add != nullptr && add->Is("Relu")) {
      relu = sum;
      sum = add->inputs[0];
      add = rewriter_.SoleProducer(sum);
    }
    if (add == nullptr || !add->Is("Add") || !SameShape(add->inputs[0], add->inputs[1])) return;
    Node fused = *add;
    fused.domain = "ergo";
    fused.op = "QuantizedAdd";
    fused.opset = 1;
    fused.inputs.clear();
    for (const ValueId input : add->inputs) {
      const Node* dequantize = DequantizeOf(graph_, producers_, input);
      const auto operand =
          dequantize == nullptr ? std::nullopt : TensorQuantization(graph_, *dequantize);
      if (!operand) return;
      fused.inputs.insert(fused.inputs.end(),
                          {dequantize->inputs[0], operand->scale, operand->zero});
    }
    fused.inputs.push_back(result->scale);
    fused.inputs.push_back(
        result->zero != kNoValue
            ? result->zero
            : AddConstantLike(graph_, quantize.outputs[0], "/zero", Tensor::Scalar<uint8_t>(0)));
    if (relu != kNoValue) {
      fused.attributes["activation"] = std::string("relu");
      rewriter_.FuseForward(id, relu, fused);
    }
    rewriter_.FuseForward(id, sum, std::move(fused));
  }

  bool SameShape(ValueId a, ValueId b) const {
    const SymbolicShape &x = graph_.GetValue(a).shape, &y = graph_.GetValue(b).shape;
    if (!x.RankKnown() || !y.RankKnown() || x.Rank() != y.Rank()) return false;
    for (int axis = 0; axis < x.Rank(); ++axis) {
      if (!x[axis].SameAs(y[axis])) return false;
    }
    return true;
  }

  Graph& graph_;
  const std::vector<NodeId> producers_;
  Rewriter rewriter_;
};

}  // namespace

Result<int> FuseQuantized(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseQuantized));
  return inner + QuantizedFuser(graph).Run();
}

}  // namespace ergo
