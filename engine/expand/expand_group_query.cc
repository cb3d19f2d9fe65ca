// GroupQueryAttention of com.microsoft: what decoders of language models are exported with. Keys
// and values go into a cache, where the sequences of a batch may differ in length. Definition: ONNX
// Runtime, docs/ContribOperators.md.
#include <algorithm>
#include <array>

#include "engine/expand/expand_context.h"

namespace ergo {
namespace {

// Inputs: query, key?, value?, past key?, past value?, lengths - 1 [batch], length of the longest,
// cosines?, sines?, positions?, attention bias?.
class GroupQuery {
 public:
  explicit GroupQuery(ExpandContext& context) : context_(context), node_(context.GetNode()) {}

  Status Expand() {
    ERGO_RETURN_IF_ERROR(Check());
    ERGO_RETURN_IF_ERROR(ReadSizes());
    ERGO_RETURN_IF_ERROR(SplitPacked());
    ReadLengths();
    if (node_.IntAttr("do_rotary", 0) != 0) ERGO_RETURN_IF_ERROR(Rotate());
    const ValueId keys = Cached(k_, 3, 1), values = Cached(v_, 4, 2);
    ExpandContext::Attributes attributes = {{"q_num_heads", q_heads_}, {"kv_num_heads", kv_heads_}};
    if (const float scale = node_.FloatAttr("scale", 0); scale != 0) attributes["scale"] = scale;
    if (const float cap = node_.FloatAttr("softcap", 0); cap != 0) attributes["softcap"] = cap;
    context_.EmitTo("", "Attention", std::array{q_, keys, values, Mask()}, {node_.Output(0)},
                    std::move(attributes));
    return {};
  }

 private:
  Status Check() const {
    ERGO_RETURN_IF_ERROR(context_.CheckFloat(0));
    for (size_t i = 11; i < node_.inputs.size(); ++i) {
      if (context_.HasInput(i)) return InvalidArgument("input {} is not supported", i);
    }
    for (const char* name : {"smooth_softmax", "qk_output", "sliding_window_cache"}) {
      if (node_.IntAttr(name, 0) > 0) return InvalidArgument("{} is not supported", name);
    }
    if (context_.HasOutput(3)) return InvalidArgument("output 3 is not supported");
    return {};
  }

  Status ReadSizes() {
    q_heads_ = node_.IntAttr("num_heads", 0);
    kv_heads_ = node_.IntAttr("kv_num_heads", 0);
    const int64_t most = kMaxTensorElements;
    if (q_heads_ < 1 || q_heads_ > most || kv_heads_ < 1 || q_heads_ % kv_heads_ != 0) {
      return InvalidArgument("{} query heads for {} key heads", q_heads_, kv_heads_);
    }
    ERGO_ASSIGN_OR_RETURN(len_, context_.Extent(context_.Input(0), 1));
    ERGO_ASSIGN_OR_RETURN(const int64_t width, context_.Extent(context_.Input(0), 2));
    const int64_t heads = context_.HasInput(1) ? q_heads_ : q_heads_ + 2 * kv_heads_;
    if (width % heads != 0) return InvalidArgument("{} numbers in {} heads", width, heads);
    head_ = width / heads;
    if (context_.HasInput(3)) {
      ERGO_ASSIGN_OR_RETURN(past_len_, context_.Extent(context_.Input(3), 2));
    }
    // How long the cache becomes depends on this value.
    ERGO_ASSIGN_OR_RETURN(const Tensor total, context_.InputConstant(6));
    if (total.Type() != DType::kI32 || total.Elements() != 1) {
      return InvalidArgument("total_sequence_length is not one int32");
    }
    total_ = total.Span<int32_t>()[0];
    if (total_ < len_ || total_ > past_len_ + len_) {
      return InvalidArgument("total_sequence_length {} after {} and {} more", total_, past_len_,
                             len_);
    }
    return {};
  }

  Status SplitPacked() {
    q_ = context_.Input(0);
    k_ = context_.Input(1);
    v_ = context_.Input(2);
    if (k_ != kNoValue && v_ != kNoValue) return {};
    if (k_ != kNoValue) return InvalidArgument("a key without value");
    q_ = context_.NewValue("q");
    k_ = context_.NewValue("k");
    v_ = context_.NewValue("v");
    const ValueId sizes = context_.Ints({q_heads_ * head_, kv_heads_ * head_, kv_heads_ * head_});
    context_.EmitTo("", "Split", std::array{context_.Input(0), sizes}, {q_, k_, v_},
                    {{"axis", int64_t{2}}});
    return {};
  }

  // [batch]: how many keys each sequence has, and how many of them are from before.
  void ReadLengths() {
    const ValueId last = context_.Cast(context_.Reshape(context_.Input(5), {-1}), DType::kI64);
    lengths_ = context_.Emit("Add", {last, context_.Int(1)});
    // A first prompt begins at 0, however much of it is padding.
    const bool first = len_ == total_;
    before_ = context_.Emit(first ? "Mul" : "Sub", {lengths_, context_.Int(first ? 0 : len_)});
    const ValueId ahead =
        context_.Emit("Range", {context_.Int(0), context_.Int(len_), context_.Int(1)});
    // [batch, len]: where each query stands in its sequence.
    places_ =
        context_.Emit("Add", {context_.Emit("Unsqueeze", {before_, context_.Ints({1})}), ahead});
  }

  Status Rotate() {
    if (!context_.HasInput(7) || !context_.HasInput(8)) {
      return InvalidArgument("do_rotary needs cos_cache and sin_cache");
    }
    ERGO_ASSIGN_OR_RETURN(const int64_t half, context_.Extent(context_.Input(7), 1));
    const ValueId positions = context_.HasInput(9) ? context_.Input(9) : places_;
    const auto rotate = [&](ValueId x, int64_t heads) {
      return context_.Emit("RotaryEmbedding", {x, context_.Input(7), context_.Input(8), positions},
                           {{"num_heads", heads},
                            {"interleaved", node_.IntAttr("rotary_interleaved", 0)},
                            {"rotary_embedding_dim", 2 * half}});
    };
    q_ = rotate(q_, q_heads_);
    k_ = rotate(k_, kv_heads_);
    return {};
  }

  // The new rows, [batch, len, heads * head], put into the cache of input `past`, which becomes
  // output `output`; then the part of it that attention needs.
  ValueId Cached(ValueId rows, size_t past, size_t output) {
    const ValueId apart =
        context_.Transpose(context_.Reshape(rows, {0, 0, kv_heads_, head_}), {0, 2, 1, 3});
    ValueId present = apart;
    if (past_len_ > 0) {
      ValueId cache = context_.Input(past);
      if (total_ > past_len_) {
        cache =
            context_.Emit("Pad", {cache, context_.Ints({0, 0, 0, 0, 0, 0, total_ - past_len_, 0})});
      }
      present = context_.Emit("TensorScatter", {cache, apart, before_}, {{"axis", int64_t{2}}});
    }
    context_.Output(output, present);
    if (past_len_ <= total_) return present;
    return context_.Emit(
        "Slice", {present, context_.Ints({0}), context_.Ints({total_}), context_.Ints({2})});
  }

  // [batch, 1, len, total]: which keys each query sees, with the bias added where there is one.
  ValueId Mask() {
    const ValueId keys =
        context_.Emit("Range", {context_.Int(0), context_.Int(total_), context_.Int(1)});
    const ValueId lengths = context_.Emit("Unsqueeze", {lengths_, context_.Ints({1, 2, 3})});
    ValueId seen = context_.Emit("Less", {keys, lengths});
    if (node_.IntAttr("causal", 1) != 0) {
      const ValueId places = context_.Emit("Unsqueeze", {places_, context_.Ints({1, 3})});
      seen = context_.Emit("And", {seen, context_.Emit("LessOrEqual", {keys, places})});
      if (const int64_t window = node_.IntAttr("local_window_size", -1); window > 0) {
        const ValueId before = context_.Emit("Sub", {places, context_.Int(window)});
        seen = context_.Emit("And", {seen, context_.Emit("Greater", {keys, before})});
      }
    } else {
      // One row for all queries would do, but attention takes masks of whole rows.
      const ValueId zeros = context_.Emit(
          "Mul", {context_.Emit("Unsqueeze", {places_, context_.Ints({1, 3})}), context_.Int(0)});
      seen = context_.Emit("Less", {context_.Emit("Add", {zeros, keys}), lengths});
    }
    if (!context_.HasInput(10)) return seen;
    const ValueId unseen =
        context_.Scalar(context_.InputType(0), -std::numeric_limits<double>::infinity());
    return context_.Emit("Where", {seen, context_.Input(10), unseen});
  }

  ExpandContext& context_;
  const Node& node_;
  int64_t q_heads_ = 0, kv_heads_ = 0, head_ = 0, len_ = 0, past_len_ = 0, total_ = 0;
  ValueId q_ = kNoValue, k_ = kNoValue, v_ = kNoValue;
  ValueId lengths_ = kNoValue, before_ = kNoValue, places_ = kNoValue;
};

Status ExpandGroupQuery(ExpandContext& context) {
  return GroupQuery(context).Expand();
}

constexpr Expander kExpanders[] = {{"com.microsoft", "GroupQueryAttention", ExpandGroupQuery}};

}  // namespace

std::span<const Expander> GroupQueryExpanders() {
  return kExpanders;
}

}  // namespace ergo
