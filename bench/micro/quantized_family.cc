#include <cmath>

#include "bench/micro/family.h"
#include "bench/micro/window_text.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qlinear/qlinear.h"

namespace ergo::micro {
namespace {

// Products of random bytes have about this deviation.
constexpr double kProductDeviation = 5500;

// The inputs of the epilogue from 4 on, for sums of `depth` products: results fill most of a byte.
void AddEpilogueInputs(Case& made, QEpilogue& epilogue, int64_t depth, int64_t channels,
                       int64_t outputs) {
  const auto scale =
      static_cast<float>(1 / (kProductDeviation * std::sqrt(static_cast<double>(depth) + 1)));
  made.AddInput(1, 1, 1);
  made.AddInput(channels, scale / 2, scale);
  made.AddInput(1, 0.02f, 0.02f);
  made.AddIntegers(DType::kU8, 1, 100, 100);
  if (epilogue.bias == DType::kUndefined) {
    made.AddAbsentInput();
  } else {
    made.AddIntegers(DType::kI32, channels, -10000, 10000);
  }
  if (epilogue.residual != DType::kUndefined) {
    made.AddIntegers(DType::kU8, outputs, 0, 255);
    made.AddInput(1, 0.01f, 0.01f);
    made.AddIntegers(DType::kU8, 1, 120, 120);
  }
}

// Words that all share, once the others are read.
Status ReadEpilogueWords(ShapeText& shape, QEpilogue& epilogue) {
  epilogue.y = DType::kU8;
  if (shape.Word("bias")) epilogue.bias = DType::kI32;
  if (shape.Word("residual")) epilogue.residual = DType::kU8;
  const std::string activation = shape.AnyWord();
  if (activation.empty()) return {};
  const auto kind = ActivationFromName(activation);
  if (!kind) return InvalidArgument("unknown word '{}'", activation);
  epilogue.activation.kind = *kind;
  return {};
}

MadeCase MakeQGemm(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(3, 3));
  auto made = std::make_unique<ProblemCase<QGemmProblem>>(QGemmVariants());
  made->integer = true;
  QGemmProblem& p = made->problem;
  p.m = dims[0];
  p.n = dims[1];
  p.k = dims[2];
  p.a_dtype = shape.Word("signed") ? DType::kI8 : DType::kU8;
  p.b_dtype = DType::kI8;
  p.a_zero = ZeroPoint::kScalar;
  made->AddIntegers(p.a_dtype, p.m * p.k, p.a_dtype == DType::kU8 ? 0 : -128,
                    p.a_dtype == DType::kU8 ? 255 : 127);
  const void* b = made->AddIntegers(p.b_dtype, p.k * p.n, -128, 127);
  if (!shape.Word("dynamic")) p.constant_b = b;
  made->AddIntegers(p.a_dtype, 1, 90, 90);
  made->AddOutput(DType::kI32, p.m * p.n);
  return MadeCase(std::move(made));
}

MadeCase MakeQMatMul(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(3, 3));
  auto made = std::make_unique<ProblemCase<QMatMulProblem>>(QMatMulVariants());
  made->integer = true;
  QMatMulProblem& p = made->problem;
  p.a = {dims[0], dims[2]};
  p.b = {dims[2], dims[1]};
  p.y = {dims[0], dims[1]};
  const bool dynamic = shape.Word("dynamic");
  ERGO_RETURN_IF_ERROR(ReadEpilogueWords(shape, p.epilogue));
  made->AddIntegers(DType::kU8, p.a.Elements(), 0, 255);
  const void* b = made->AddIntegers(DType::kI8, p.b.Elements(), -128, 127);
  if (!dynamic) p.weights = b;
  made->AddIntegers(DType::kU8, 1, 90, 90);
  made->AddAbsentInput();
  AddEpilogueInputs(*made, p.epilogue, dims[2], dims[1], p.y.Elements());
  made->AddOutput(DType::kU8, p.y.Elements());
  made->inputs[0].shape = p.a;
  made->inputs[1].shape = p.b;
  made->outputs[0].shape = p.y;
  return MadeCase(std::move(made));
}

MadeCase MakeQConv(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(2, 4));
  auto made = std::make_unique<ProblemCase<QConvProblem>>(QConvVariants());
  made->integer = true;
  QConvProblem& p = made->problem;
  p.in_channels = dims[0];
  ERGO_ASSIGN_OR_RETURN(p.out_channels, shape.Number("m", dims[0]));
  ERGO_ASSIGN_OR_RETURN(p.groups, shape.Number("g", 1));
  ERGO_ASSIGN_OR_RETURN(p.batch, shape.Number("n", 1));
  ERGO_ASSIGN_OR_RETURN(p.window, ReadWindow(shape, std::span(dims).subspan(1)));
  ERGO_RETURN_IF_ERROR(ReadEpilogueWords(shape, p.epilogue));
  if (p.groups < 1 || p.in_channels % p.groups != 0 || p.out_channels % p.groups != 0) {
    return InvalidArgument("{} groups of {} and {} channels", p.groups, p.in_channels,
                           p.out_channels);
  }
  const int64_t depth = p.in_channels / p.groups * p.window.KernelElements();
  const int64_t outputs = p.batch * p.out_channels * p.window.OutElements();
  made->AddIntegers(DType::kU8, p.batch * p.in_channels * p.window.InElements(), 0, 255);
  made->AddIntegers(DType::kI8, p.out_channels * depth, -127, 127);
  made->AddIntegers(DType::kU8, 1, 90, 90);
  made->AddIntegers(DType::kI8, 1, 0, 0);
  p.weights = made->inputs[1];
  p.zero_w = made->inputs[3];
  AddEpilogueInputs(*made, p.epilogue, depth, p.out_channels, outputs);
  made->AddOutput(DType::kU8, outputs);
  return MadeCase(std::move(made));
}

MadeCase MakeQAdd(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(1, 4));
  auto made = std::make_unique<ProblemCase<QAddProblem>>(QAddVariants());
  made->integer = true;
  QAddProblem& p = made->problem;
  p.elements = 1;
  for (const int64_t dim : dims) p.elements *= dim;
  ERGO_RETURN_IF_ERROR(ReadEpilogueWords(shape, p.epilogue));
  p.epilogue.residual = DType::kU8;
  made->AddIntegers(DType::kU8, p.elements, 0, 255);
  made->AddAbsentInput();
  made->AddIntegers(DType::kU8, 1, 90, 90);
  made->AddAbsentInput();
  made->AddInput(1, 0.01f, 0.01f);
  made->AddAbsentInput();
  made->AddInput(1, 0.02f, 0.02f);
  made->AddIntegers(DType::kU8, 1, 100, 100);
  made->AddAbsentInput();
  made->AddIntegers(DType::kU8, p.elements, 0, 255);
  made->AddInput(1, 0.01f, 0.01f);
  made->AddIntegers(DType::kU8, 1, 120, 120);
  made->AddOutput(DType::kU8, p.elements);
  return MadeCase(std::move(made));
}

}  // namespace

const Family& QGemmFamily() {
  static const Family family{
      "qgemm",
      "MxNxK[,signed][,dynamic]; u8 x i8 -> i32, B is constant unless dynamic",
      {"512x512x512", "128x768x768", "128x3072x768", "128x768x3072", "128x768x768,signed",
       "1x768x768", "8x1024x1024", "128x128x64,dynamic"},
      {"1x17x9", "33x30x31,dynamic,signed"},
      MakeQGemm};
  return family;
}

const Family& QMatMulFamily() {
  static const Family family{
      "qmatmul",
      "MxNxK[,bias][,residual][,dynamic][,ACTIVATION]; u8 x i8 -> u8",
      {"128x768x768,bias", "128x3072x768,bias,relu", "128x768x3072,bias,residual", "1x1000x2048"},
      {"1x17x9,bias", "33x30x31,residual,relu"},
      MakeQMatMul};
  return family;
}

const Family& QConvFamily() {
  static const Family family{
      "qconv",
      "CxW, CxHxW or CxDxHxW[,mCHANNELS][,gGROUPS][,nBATCH][,k3|k3x3][,s1][,d1][,p0][,bias]"
      "[,residual][,ACTIVATION]; u8 x i8 -> u8",
      {"3x224x224,m64,k7,s2,p3,bias,relu",
       "64x56x56,m64,k3,p1,bias,relu",
       "128x28x28,m128,k3,p1,bias,relu",
       "256x14x14,m256,k3,p1,bias,relu",
       "512x7x7,m512,k3,p1,bias,relu",
       "128x56x56,m128,k3,s2,p1,bias,relu",
       "64x56x56,m256,bias,residual,relu",
       "256x56x56,m64,bias,relu",
       "1024x14x14,m256,bias,relu",
       "256x56x56,m512,s2,bias",
       "3x224x224,m32,k3,s2,p1,bias,relu",
       "16x112x112,m96,bias,relu",
       "96x56x56,m24,bias",
       "960x7x7,m320,bias",
       "32x112x112,g32,k3,p1,bias,relu",
       "96x112x112,g96,k3,s2,p1,bias,relu",
       "144x56x56,g144,k3,p1,bias,relu",
       "384x14x14,g384,k3,p1,bias,relu",
       "960x7x7,g960,k3,p1,bias,relu",
       "240x28x28,g240,k5,p2,bias"},
      {"5x9x11,m7,k3,s2,p1,bias,relu", "6x9x9,g6,k3,p1", "9x7x5,m10,bias,residual"},
      MakeQConv};
  return family;
}

const Family& QAddFamily() {
  static const Family family{"qadd",
                             "N or CxHxW[,ACTIVATION]; u8 + u8 -> u8",
                             {"64x56x56,relu", "256x56x56", "2048x7x7"},
                             {"99,relu"},
                             MakeQAdd};
  return family;
}

}  // namespace ergo::micro
