// RNN, GRU and LSTM onto the problem of kernels/recurrent.
#include "engine/plan/lowering.h"
#include "kernels/recurrent/recurrent.h"

namespace ergo {
namespace {

constexpr int FunctionCount(RecurrentCell cell) {
  return cell == RecurrentCell::kRnn ? 1 : cell == RecurrentCell::kGru ? 2 : 3;
}

std::vector<std::string> ActivationNames(const LowerContext& context,
                                         const RecurrentProblem& problem) {
  const auto found = context.GetNode().attributes.find("activations");
  if (found != context.GetNode().attributes.end()) {
    if (const auto* names = std::get_if<std::vector<std::string>>(&found->second);
        names != nullptr && !names->empty()) {
      return *names;
    }
  }
  std::vector<std::string> defaults;
  for (int direction = 0; direction < problem.directions; ++direction) {
    if (problem.cell != RecurrentCell::kRnn) defaults.emplace_back("Sigmoid");
    defaults.emplace_back("Tanh");
    if (problem.cell == RecurrentCell::kLstm) defaults.emplace_back("Tanh");
  }
  return defaults;
}

// Functions take their alphas and betas from the attributes' lists one after the other, those that
// have such a parameter.
Status ReadActivations(const LowerContext& context, RecurrentProblem& problem) {
  const std::vector<std::string> names = ActivationNames(context, problem);
  const auto per_direction = static_cast<size_t>(FunctionCount(problem.cell));
  if (names.size() != per_direction * static_cast<size_t>(problem.directions)) {
    return InvalidArgument("{} activations for {} directions", names.size(), problem.directions);
  }
  const std::vector<float>* alphas = context.GetNode().FloatsAttr("activation_alpha");
  const std::vector<float>* betas = context.GetNode().FloatsAttr("activation_beta");
  size_t alpha = 0, beta = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    std::optional<GateFunction> function = GateFunctionFromName(names[i]);
    if (!function) return Unsupported("activation '{}'", names[i]);
    const int parameters = GateParameters(function->kind);
    if (parameters >= 1 && alphas != nullptr && alpha < alphas->size()) {
      function->alpha = (*alphas)[alpha++];
    }
    if (parameters >= 2 && betas != nullptr && beta < betas->size()) {
      function->beta = (*betas)[beta++];
    }
    problem.activations[i / per_direction][i % per_direction] = *function;
  }
  return {};
}

Status CheckShape(const LowerContext& context, int input, const Shape& expected) {
  if (!context.HasInput(input) || context.InputShape(input) == expected) return {};
  return InvalidArgument("input {} has shape {}, not {}", input,
                         context.InputShape(input).ToString(), expected.ToString());
}

Status CheckOperands(const LowerContext& context, const RecurrentProblem& p) {
  const int64_t d = p.directions, h = p.hidden, gates = p.Gates();
  const Shape state = p.batch_major ? Shape{p.batch, d, h} : Shape{d, p.batch, h};
  const Shape shapes[] = {context.InputShape(0),
                          {d, gates * h, p.input},
                          {d, gates * h, h},
                          {d, 2 * gates * h},
                          {p.batch},
                          state,
                          state,
                          {d, 3 * h}};
  for (int i = 1; i < static_cast<int>(std::size(shapes)); ++i) {
    ERGO_RETURN_IF_ERROR(CheckShape(context, i, shapes[i]));
    if (!context.HasInput(i)) continue;
    const DType expected = i == 4 ? DType::kI32 : p.dtype;
    if (context.InputType(i) != expected) {
      return InvalidArgument("input {} is {}, not {}", i, DTypeName(context.InputType(i)),
                             DTypeName(expected));
    }
  }
  return {};
}

Result<RecurrentProblem> ReadProblem(const LowerContext& context, RecurrentCell cell) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& r = context.InputShape(2);
  if (x.Rank() != 3 || r.Rank() != 3) return InvalidArgument("X and R have 3 dimensions");
  const std::string direction = node.StringAttr("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return InvalidArgument("direction is '{}'", direction);
  }
  RecurrentProblem problem;
  problem.cell = cell;
  problem.dtype = context.InputType(0);
  problem.batch_major = node.IntAttr("layout", 0) != 0;
  problem.seq = x[problem.batch_major ? 1 : 0];
  problem.batch = x[problem.batch_major ? 0 : 1];
  problem.input = x[2];
  problem.hidden = node.IntAttr("hidden_size", r[2]);
  problem.directions = direction == "bidirectional" ? 2 : 1;
  problem.reverse = direction == "reverse";
  problem.linear_before_reset = node.IntAttr("linear_before_reset", 0) != 0;
  problem.input_forget = node.IntAttr("input_forget", 0) != 0;
  problem.clip = node.FloatAttr("clip", 0);
  ERGO_RETURN_IF_ERROR(ReadActivations(context, problem));
  ERGO_RETURN_IF_ERROR(CheckOperands(context, problem));
  const auto constant = [&](int i) {
    const Tensor* tensor = context.InputConstant(i);
    return tensor == nullptr ? nullptr : tensor->Data();
  };
  problem.constant_w = constant(1);
  problem.constant_r = constant(2);
  return problem;
}

template <RecurrentCell cell>
Status LowerRecurrent(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const RecurrentProblem problem, ReadProblem(context, cell));
  return context.Emit(RecurrentVariants(), problem,
                      {In(0), In(1), In(2), In(3), In(4), In(5), In(6), In(7)},
                      {Out(0), Out(1), Out(2)});
}

constexpr Lowering kLowerings[] = {
    {"", "GRU", LowerRecurrent<RecurrentCell::kGru>},
    {"", "LSTM", LowerRecurrent<RecurrentCell::kLstm>},
    {"", "RNN", LowerRecurrent<RecurrentCell::kRnn>},
};

}  // namespace

std::span<const Lowering> RecurrentLowerings() {
  return kLowerings;
}

}  // namespace ergo
