#include <cmath>

#include "bench/micro/family.h"
#include "kernels/attention/attention.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(4, 4));
  auto made = std::make_unique<ProblemCase<AttentionProblem>>(AttentionVariants());
  AttentionProblem& p = made->problem;
  p.batch = 1;
  p.q_heads = dims[0];
  p.q_len = dims[1];
  p.kv_len = dims[2];
  p.head = p.v_head = dims[3];
  ERGO_ASSIGN_OR_RETURN(p.kv_heads, shape.Number("kv", p.q_heads));
  p.causal = shape.Word("causal");
  p.scale = 1 / std::sqrt(static_cast<float>(p.head));
  const Shape queries{1, p.q_heads, p.q_len, p.head}, keys{1, p.kv_heads, p.kv_len, p.head};
  made->AddInput(queries.Elements());
  made->AddInput(keys.Elements());
  made->AddInput(keys.Elements());
  made->AddOutput(DType::kF32, queries.Elements());
  made->inputs[0].shape = made->outputs[0].shape = queries;
  made->inputs[1].shape = made->inputs[2].shape = keys;
  const double score = ProductMagnitude(p.head) * static_cast<double>(p.scale);
  const double bound = AttentionErrorBound(p, score, score, 1);
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& AttentionFamily() {
  static const Family family{
      "attention",
      "HEADSxQUERIESxKEYSxSIZE[,kvHEADS][,causal]",
      {"12x128x128x64", "12x197x197x64", "12x512x512x64,causal", "8x1x1024x64,kv2"},
      {"2x5x7x8", "4x9x9x16,kv2,causal"},
      Make};
  return family;
}

}  // namespace ergo::micro
