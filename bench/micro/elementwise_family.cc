#include "bench/micro/family.h"
#include "kernels/elementwise/elementwise.h"

namespace ergo::micro {
namespace {

template <typename Op, typename Name>
Result<Op> FindOp(int count, std::string_view wanted, const Name& name) {
  for (int i = 0; i < count; ++i) {
    if (name(static_cast<Op>(i)) == wanted) return static_cast<Op>(i);
  }
  return InvalidArgument("unknown word '{}'", wanted);
}

MadeCase MakeUnary(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(1, 1));
  auto made = std::make_unique<ProblemCase<UnaryProblem>>(UnaryVariants());
  UnaryProblem& p = made->problem;
  constexpr int kCount = 0
#define ERGO_UNARY_OP(name, onnx, kind, formula) +1
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
      ;
  ERGO_ASSIGN_OR_RETURN(p.op, FindOp<UnaryOp>(kCount, shape.AnyWord(), UnaryOpName));
  p.shape = Shape{dims[0]};
  p.alpha = 0.1f;
  p.beta = 0.9f;
  const float* x = made->AddInput(dims[0], -8, 8);
  made->AddOutput(OutputType(p), dims[0]);
  made->tolerance = [op = p.op, x](int64_t index, double expected) {
    return UnaryErrorBound(op, x[index], expected);
  };
  return MadeCase(std::move(made));
}

MadeCase MakeBinary(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(1, 4));
  auto made = std::make_unique<ProblemCase<BinaryProblem>>(BinaryVariants());
  BinaryProblem& p = made->problem;
  p.a = p.b = Shape(dims);
  if (shape.Word("row")) p.b = Shape{dims.back()};
  if (shape.Word("scalar")) p.b = Shape();
  constexpr int kCount = 1
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) +1
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
      ;
  ERGO_ASSIGN_OR_RETURN(p.op, FindOp<BinaryOp>(kCount, shape.AnyWord(), BinaryOpName));
  made->AddInput(p.a.Elements(), 0.5f, 2);
  made->AddInput(p.b.Elements(), 0.5f, 2);
  made->AddOutput(OutputType(p), p.a.Elements());
  return MadeCase(std::move(made));
}

}  // namespace

const Family& UnaryFamily() {
  static const Family family{"unary",
                             "OPERATOR,ELEMENTS (an operator as kernels/elementwise names it)",
                             {"Relu,1000000", "Sigmoid,1000000", "Tanh,1000000", "Exp,1000000",
                              "Erf,1000000", "Sigmoid,4096"},
                             {"Sigmoid,1001", "Relu,77"},
                             MakeUnary};
  return family;
}

const Family& BinaryFamily() {
  static const Family family{
      "binary",
      "OPERATOR,AxBx...[,row][,scalar] (the second operand is one row, one "
      "number, or as large as the first)",
      {"Add,1000x1000", "Mul,1000x1000,row", "Add,128x768", "Div,1000x1000,scalar"},
      {"Add,13x17", "Mul,13x17,row"},
      MakeBinary};
  return family;
}

}  // namespace ergo::micro
