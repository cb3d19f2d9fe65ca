// Where the elements of a recurrent kernel's operands lie, in either layout.
#ifndef ERGO_KERNELS_RECURRENT_RECURRENT_SHAPE_H_
#define ERGO_KERNELS_RECURRENT_RECURRENT_SHAPE_H_

#include <algorithm>
#include <cstdint>
#include <span>

#include "kernels/recurrent/recurrent.h"

namespace ergo {

// InvalidArgument for negative sizes, or more than the limits allow.
Status CheckRecurrent(const RecurrentProblem& problem);

// Offsets in elements, of the first of the `input` or `hidden` elements.
inline int64_t XOffset(const RecurrentProblem& p, int64_t t, int64_t b) {
  return (p.batch_major ? b * p.seq + t : t * p.batch + b) * p.input;
}
inline int64_t YOffset(const RecurrentProblem& p, int64_t t, int direction, int64_t b) {
  return (p.batch_major ? (b * p.seq + t) * p.directions + direction
                        : (t * p.directions + direction) * p.batch + b) *
         p.hidden;
}
inline int64_t StateOffset(const RecurrentProblem& p, int direction, int64_t b) {
  return (p.batch_major ? b * p.directions + direction : direction * p.batch + b) * p.hidden;
}

// The operands by their names; absent ones have null data.
struct RecurrentOperands {
  TensorView x, w, r, b, sequence_lens, initial_h, initial_c, p;
  MutableTensorView y, y_h, y_c;

  explicit RecurrentOperands(const KernelArgs& args) {
    TensorView* inputs[] = {&x, &w, &r, &b, &sequence_lens, &initial_h, &initial_c, &p};
    MutableTensorView* outputs[] = {&y, &y_h, &y_c};
    for (size_t i = 0; i < std::size(inputs) && i < args.inputs.size(); ++i) {
      *inputs[i] = args.inputs[i];
    }
    for (size_t i = 0; i < std::size(outputs) && i < args.outputs.size(); ++i) {
      *outputs[i] = args.outputs[i];
    }
  }
  int64_t Length(const RecurrentProblem& problem, int64_t sample) const {
    if (sequence_lens.data == nullptr) return problem.seq;
    return std::clamp<int64_t>(sequence_lens.As<int32_t>()[sample], 0, problem.seq);
  }
};

}  // namespace ergo

#endif  // ERGO_KERNELS_RECURRENT_RECURRENT_SHAPE_H_
