// TensorLayout: a plan's tensors while it is being built, and at the end the place of each: which
// tensors share bytes (views of one another, results computed in place) and where in the arena.
//
// Thread safety: none; used by one planner.
#ifndef ERGO_ENGINE_PLAN_TENSOR_LAYOUT_H_
#define ERGO_ENGINE_PLAN_TENSOR_LAYOUT_H_

#include <string>
#include <vector>

#include "engine/plan/plan.h"

namespace ergo {

class TensorLayout {
 public:
  // `plan` outlives it; its tensors are made here and its steps are read by Place.
  explicit TensorLayout(Plan& plan) : plan_(plan) {}

  // New tensors; the result is an index into plan.tensors.
  int AddInput(DType dtype, const Shape& shape, std::string name, int number);
  int AddOutput(DType dtype, const Shape& shape, std::string name, int number);
  int AddArena(DType dtype, const Shape& shape, std::string name);
  int AddConstant(const Tensor& constant, std::string name);
  // The bytes of `source` under another shape.
  int AddAlias(int source, DType dtype, const Shape& shape, std::string name);
  int Absent();

  // Makes an arena tensor (and what shares its bytes) the caller's output; false when the tensor
  // has a place of its own already.
  bool MakeOutput(int tensor, int number);

  // After the last step: decides every tensor's place. Tensors in `kept` stay alive to the end.
  // Sets the plan's tensors, workspaces and byte counts.
  void Place(const std::vector<int>& kept);

 private:
  using Storage = PlanTensor::Storage;

  // A run of bytes that one or more tensors share.
  struct Buffer {
    Storage storage = Storage::kArena;
    int index = 0;  // of the caller's input or output
    Tensor constant;
    size_t bytes = 0;
    int first_step = -1, last_step = -1;
  };

  int Add(DType dtype, const Shape& shape, std::string name, Storage storage, int index);
  int AddTensor(DType dtype, const Shape& shape, std::string name, int buffer);
  Buffer& BufferOf(int tensor) {
    return buffers_[static_cast<size_t>(buffer_of_tensor_[static_cast<size_t>(tensor)])];
  }
  void ComputeLifetimes(const std::vector<int>& kept);
  void RunInPlace();
  bool TakeOver(const Step& step, int step_index, size_t operand, const Buffer& output);
  void PlaceBuffers();
  void SumBytes();

  Plan& plan_;
  std::vector<Buffer> buffers_;
  std::vector<int> buffer_of_tensor_;  // parallel to plan_.tensors
  int absent_ = -1;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_TENSOR_LAYOUT_H_
