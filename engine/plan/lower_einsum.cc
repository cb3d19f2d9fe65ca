#include "engine/plan/lower_einsum.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/graph/einsum_equation.h"
#include "kernels/einsum/einsum.h"
#include "kernels/gemm/gemm.h"
#include "kernels/move/strided_copy.h"

namespace ergo {
namespace {

using Labels = std::vector<size_t>;
using Strides = std::vector<int64_t>;  // of each label

// An equation with concrete sizes.
struct Loops {
  std::vector<int64_t> sizes;    // of each label
  Labels output;                 // the labels of the result's axes
  std::vector<Strides> strides;  // of each operand: 0 where it lacks or broadcasts the label
};

Strides OperandStrides(const std::vector<int>& labels, const Shape& shape, size_t count) {
  Strides strides(count, 0);
  const auto dense = shape.RowMajorStrides();
  for (int axis = 0; axis < shape.Rank(); ++axis) {
    const auto i = static_cast<size_t>(axis);
    if (shape[axis] != 1) strides[static_cast<size_t>(labels[i])] += dense[i];
  }
  return strides;
}

Result<Loops> ReadLoops(const LowerContext& context) {
  const auto operands = static_cast<int>(context.GetNode().inputs.size());
  std::vector<int> ranks;
  std::vector<SymbolicShape> shapes;
  for (int i = 0; i < operands; ++i) {
    ranks.push_back(context.InputShape(i).Rank());
    shapes.emplace_back(context.InputShape(i));
  }
  ERGO_ASSIGN_OR_RETURN(const EinsumEquation equation,
                        ParseEinsum(context.GetNode().StringAttr("equation", ""), ranks));
  ERGO_ASSIGN_OR_RETURN(const std::vector<Dim> dims, EinsumLabelDims(equation, shapes));
  Loops loops;
  for (const Dim& dim : dims) loops.sizes.push_back(dim.value);
  for (const int label : equation.output) loops.output.push_back(static_cast<size_t>(label));
  for (int i = 0; i < operands; ++i) {
    loops.strides.push_back(OperandStrides(equation.operands[static_cast<size_t>(i)],
                                           context.InputShape(i), dims.size()));
  }
  return loops;
}

// The labels of a product of two operands, by the operands and the result that have them.
struct ProductLabels {
  Labels batch, rows, columns, depth;
};

// nullopt where a label belongs to one operand and is summed, which a gemm does not do.
std::optional<ProductLabels> Classify(const Loops& loops) {
  ProductLabels labels;
  Labels order = loops.output;
  for (size_t label = 0; label < loops.sizes.size(); ++label) {
    if (std::ranges::count(loops.output, label) == 0) order.push_back(label);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t label = order[i];
    if (loops.sizes[label] == 0) return std::nullopt;
    if (loops.sizes[label] == 1) continue;
    const bool in_a = loops.strides[0][label] != 0;
    const bool in_b = loops.strides[1][label] != 0;
    const bool in_output = i < loops.output.size();
    if (in_a && in_b) {
      (in_output ? labels.batch : labels.depth).push_back(label);
    } else if (in_output) {
      (in_a ? labels.rows : labels.columns).push_back(label);
    } else {
      return std::nullopt;
    }
  }
  // In A's order, so that A at least can be read as it lies.
  std::ranges::sort(labels.depth,
                    [&](size_t x, size_t y) { return loops.strides[0][x] > loops.strides[0][y]; });
  if (labels.batch.size() > static_cast<size_t>(kMaxRank)) return std::nullopt;
  return labels;
}

int64_t Count(const Loops& loops, const Labels& labels) {
  int64_t count = 1;
  for (const size_t label : labels) count *= loops.sizes[label];
  return count;
}

// The stride of several labels that run as one; nullopt where they cannot.
std::optional<int64_t> MergedStride(const Loops& loops, const Strides& strides,
                                    const Labels& labels) {
  for (size_t i = 0; i + 1 < labels.size(); ++i) {
    if (strides[labels[i]] != strides[labels[i + 1]] * loops.sizes[labels[i + 1]]) {
      return std::nullopt;
    }
  }
  return labels.empty() ? 1 : strides[labels.back()];
}

// How gemm finds its operand.
struct MatrixLayout {
  bool transposed = false;
  int64_t row_stride = 0;
  std::array<int64_t, kMaxRank> batch_strides{};
};

std::optional<MatrixLayout> LayoutOf(const Loops& loops, const Strides& strides,
                                     const Labels& batch, const Labels& rows,
                                     const Labels& columns) {
  const auto row_stride = MergedStride(loops, strides, rows);
  const auto column_stride = MergedStride(loops, strides, columns);
  if (!row_stride || !column_stride) return std::nullopt;
  const int64_t row_count = Count(loops, rows);
  const int64_t column_count = Count(loops, columns);
  MatrixLayout layout;
  for (size_t i = 0; i < batch.size(); ++i) layout.batch_strides[i] = strides[batch[i]];
  if (columns.empty() || *column_stride == 1) {
    layout.row_stride = rows.empty() ? column_count : *row_stride;
    return layout.row_stride >= column_count ? std::optional(layout) : std::nullopt;
  }
  if (!rows.empty() && *row_stride != 1) return std::nullopt;
  layout.transposed = true;
  layout.row_stride = *column_stride;
  return layout.row_stride >= row_count ? std::optional(layout) : std::nullopt;
}

Labels Joined(const Labels& a, const Labels& b, const Labels& c) {
  Labels all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

// Copies what `strides` reach, the labels in this order, to a dense tensor.
Status EmitCopy(LowerContext& context, const Loops& loops, const Strides& strides,
                const Labels& order, const Shape& from_shape, const Shape& to_shape, Operand from,
                Operand to) {
  move::StridedCopyProblem copy;
  copy.dtype = context.OutputType(0);
  copy.input = from_shape;
  copy.output = to_shape;
  for (const size_t label : order) copy.axes.push_back({loops.sizes[label], strides[label]});
  return context.Emit(move::StridedCopyVariants(), copy, {from}, {to});
}

struct MatrixOperand {
  Operand operand;
  MatrixLayout layout;
  const void* constant = nullptr;
};

// Input `input` as it lies, or a copy of it that lies well.
Result<MatrixOperand> PrepareOperand(LowerContext& context, const Loops& loops, int input,
                                     const Labels& batch, const Labels& rows,
                                     const Labels& columns) {
  const Strides& strides = loops.strides[static_cast<size_t>(input)];
  if (const auto layout = LayoutOf(loops, strides, batch, rows, columns)) {
    const Tensor* constant = context.InputConstant(input);
    return MatrixOperand{In(input), *layout, constant == nullptr ? nullptr : constant->Data()};
  }
  const int64_t row_count = Count(loops, rows);
  const int64_t column_count = Count(loops, columns);
  const Shape shape{Count(loops, batch), row_count, column_count};
  MatrixOperand copied{context.Temporary(context.InputType(input), shape), {}, nullptr};
  int64_t stride = row_count * column_count;
  for (size_t i = batch.size(); i-- > 0; stride *= loops.sizes[batch[i]]) {
    copied.layout.batch_strides[i] = stride;
  }
  ERGO_RETURN_IF_ERROR(EmitCopy(context, loops, strides, Joined(batch, rows, columns),
                                context.InputShape(input), shape, In(input), copied.operand));
  return copied;
}

// A product whose result is [batch, rows, columns]: of inputs a and b, which are 0 and 1 or, where
// the result wants b's labels first, 1 and 0.
Status LowerProduct(LowerContext& context, const Loops& loops, const ProductLabels& labels) {
  Labels wanted;
  for (const size_t label : loops.output) {
    if (loops.sizes[label] != 1) wanted.push_back(label);
  }
  const bool swapped = wanted == Joined(labels.batch, labels.columns, labels.rows) &&
                       wanted != Joined(labels.batch, labels.rows, labels.columns);
  const Labels& rows = swapped ? labels.columns : labels.rows;
  const Labels& columns = swapped ? labels.rows : labels.columns;
  ERGO_ASSIGN_OR_RETURN(const MatrixOperand a, PrepareOperand(context, loops, swapped ? 1 : 0,
                                                              labels.batch, rows, labels.depth));
  ERGO_ASSIGN_OR_RETURN(const MatrixOperand b, PrepareOperand(context, loops, swapped ? 0 : 1,
                                                              labels.batch, labels.depth, columns));
  GemmProblem problem;
  problem.dtype = context.OutputType(0);
  problem.m = Count(loops, rows);
  problem.n = Count(loops, columns);
  problem.k = Count(loops, labels.depth);
  for (const size_t label : labels.batch) problem.batch.Append(loops.sizes[label]);
  problem.trans_a = a.layout.transposed;
  problem.trans_b = b.layout.transposed;
  problem.a_row_stride = a.layout.row_stride;
  problem.b_row_stride = b.layout.row_stride;
  problem.a_batch_strides = a.layout.batch_strides;
  problem.b_batch_strides = b.layout.batch_strides;
  problem.constant_a = a.constant;
  problem.constant_b = b.constant;

  const Labels order = Joined(labels.batch, rows, columns);
  if (wanted == order) {
    return context.Emit(GemmVariants(), problem, {a.operand, b.operand}, {Out(0)});
  }
  const Shape shape{Count(loops, labels.batch), problem.m, problem.n};
  const Operand product = context.Temporary(problem.dtype, shape);
  ERGO_RETURN_IF_ERROR(context.Emit(GemmVariants(), problem, {a.operand, b.operand}, {product}));
  Strides strides(loops.sizes.size(), 0);
  int64_t stride = 1;
  for (size_t i = order.size(); i-- > 0; stride *= loops.sizes[order[i]]) {
    strides[order[i]] = stride;
  }
  return EmitCopy(context, loops, strides, wanted, shape, context.OutputShape(0), product, Out(0));
}

Status LowerGeneral(LowerContext& context, const Loops& loops) {
  EinsumProblem problem;
  problem.dtype = context.OutputType(0);
  problem.output_labels = static_cast<int>(loops.output.size());
  Labels order = loops.output;
  for (size_t label = 0; label < loops.sizes.size(); ++label) {
    if (std::ranges::count(loops.output, label) == 0) order.push_back(label);
  }
  for (const size_t label : order) problem.sizes.push_back(loops.sizes[label]);
  std::vector<Operand> inputs;
  for (size_t i = 0; i < loops.strides.size(); ++i) {
    const int input = static_cast<int>(i);
    EinsumProblem::Operand operand{context.InputShape(input).Elements(), {}};
    for (const size_t label : order) operand.strides.push_back(loops.strides[i][label]);
    problem.operands.push_back(std::move(operand));
    inputs.push_back(In(input));
  }
  const Operand outputs[] = {Out(0)};
  return context.EmitSpan(EinsumVariants(), problem, inputs, outputs);
}

}  // namespace

Status LowerEinsum(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const Loops loops, ReadLoops(context));
  if (loops.strides.size() == 2 && context.OutputType(0) == DType::kF32) {
    if (const auto labels = Classify(loops)) return LowerProduct(context, loops, *labels);
  }
  return LowerGeneral(context, loops);
}

}  // namespace ergo
