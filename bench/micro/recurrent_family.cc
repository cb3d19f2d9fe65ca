#include <cmath>

#include "bench/micro/family.h"
#include "kernels/recurrent/recurrent.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(4, 4));
  auto made = std::make_unique<ProblemCase<RecurrentProblem>>(RecurrentVariants());
  RecurrentProblem& p = made->problem;
  p.seq = dims[0];
  p.batch = dims[1];
  p.input = dims[2];
  p.hidden = dims[3];
  p.cell = shape.Word("gru")   ? RecurrentCell::kGru
           : shape.Word("rnn") ? RecurrentCell::kRnn
                               : RecurrentCell::kLstm;
  shape.Word("lstm");
  p.directions = shape.Word("both") ? 2 : 1;
  const GateFunction tanh{GateActivation::kTanh}, sigmoid{GateActivation::kSigmoid};
  for (auto& direction : p.activations) {
    direction = {sigmoid, tanh, tanh};
    if (p.cell == RecurrentCell::kRnn) direction[0] = tanh;
  }
  const int64_t rows = p.directions * p.Gates() * p.hidden;
  // Rows of W and of R together add up to at most the root of their number.
  const auto terms = static_cast<double>(p.input + p.hidden);
  const auto weight = static_cast<float>(1 / std::sqrt(terms));
  made->AddInput(p.seq * p.batch * p.input);
  p.constant_w = made->AddInput(rows * p.input, -weight, weight);
  p.constant_r = made->AddInput(rows * p.hidden, -weight, weight);
  made->AddInput(2 * rows);
  made->AddOutput(DType::kF32, p.seq * p.directions * p.batch * p.hidden);
  made->inputs[0].shape = {p.seq, p.batch, p.input};
  made->outputs[0].shape = {p.seq, p.directions, p.batch, p.hidden};
  const double bound = RecurrentErrorBound(p, std::sqrt(terms) + 2);
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& RecurrentFamily() {
  static const Family family{"recurrent",
                             "STEPSxBATCHxINPUTxHIDDEN[,lstm|gru|rnn][,both]",
                             {"1x1x257x128", "1x1x128x128", "50x1x128x256", "50x1x128x256,gru",
                              "64x8x256x256,both", "1x1x512x1024"},
                             {"3x2x5x7", "4x1x9x8,gru,both", "2x3x4x5,rnn"},
                             Make};
  return family;
}

}  // namespace ergo::micro
