// RNN, GRU and LSTM.
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Dim DimOrUnknown(const SymbolicShape& shape, int axis) {
  return shape.RankKnown() && axis < shape.Rank() ? shape[axis] : Dim();
}

// Y, Y_h and, for LSTM, Y_c.
Status InferRecurrent(InferContext& context) {
  const Node& node = context.GetNode();
  const SymbolicShape& x = context.InputShape(0);
  if (x.RankKnown() && x.Rank() != 3) {
    return InvalidArgument("X has shape {}, not 3 dimensions", x.ToString());
  }
  const bool batch_major = node.IntAttr("layout", 0) != 0;
  const Dim seq = DimOrUnknown(x, batch_major ? 1 : 0);
  const Dim batch = DimOrUnknown(x, batch_major ? 0 : 1);
  const Dim directions(node.StringAttr("direction", "forward") == "bidirectional" ? 2 : 1);
  const int64_t declared = node.IntAttr("hidden_size", -1);
  const Dim hidden = declared >= 0 ? Dim(declared) : DimOrUnknown(context.InputShape(2), 2);

  const std::vector<Dim> y = batch_major ? std::vector<Dim>{batch, seq, directions, hidden}
                                         : std::vector<Dim>{seq, directions, batch, hidden};
  const std::vector<Dim> state = batch_major ? std::vector<Dim>{batch, directions, hidden}
                                             : std::vector<Dim>{directions, batch, hidden};
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(0), SymbolicShape(y)));
  ERGO_RETURN_IF_ERROR(context.SetOutput(1, context.InputType(0), SymbolicShape(state)));
  return context.SetOutput(2, context.InputType(0), SymbolicShape(state));
}

constexpr OpSchema kSchemas[] = {
    {"", "GRU", 7, 3, 6, 0, 2, InferRecurrent},
    {"", "LSTM", 7, 3, 8, 0, 3, InferRecurrent},
    {"", "RNN", 7, 3, 6, 0, 2, InferRecurrent},
};

}  // namespace

std::span<const OpSchema> RecurrentSchemas() {
  return kSchemas;
}

}  // namespace ergo
