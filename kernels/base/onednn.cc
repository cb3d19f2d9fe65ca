#include "kernels/base/onednn.h"

// <omp.h> is the compiler's; the library is the one that oneDNN was built with.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {
void omp_set_num_threads(int threads);
int omp_get_max_threads();
int omp_pause_resource_all(int kind);
}
// NOLINTEND(readability-identifier-naming)

namespace ergo {

const dnnl::engine& OneDnnEngine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

OneDnnThreads::OneDnnThreads(int workers) : before_(omp_get_max_threads()) {
  omp_set_num_threads(workers);
}

OneDnnThreads::~OneDnnThreads() {
  omp_set_num_threads(before_);
}

void EndOneDnnThreads() {
  constexpr int kHard = 2;  // omp_pause_hard of OpenMP 5.0
  omp_pause_resource_all(kHard);
}

bool AppendActivation(const ActivationSpec& activation, dnnl::post_ops& operations) {
  using dnnl::algorithm;
  const auto append = [&](algorithm kind, float alpha = 0, float beta = 0) {
    operations.append_eltwise(1.0f, kind, alpha, beta);
    return true;
  };
  switch (activation.kind) {
    case Activation::kNone: return true;
    case Activation::kRelu: return append(algorithm::eltwise_relu);
    case Activation::kLeakyRelu: return append(algorithm::eltwise_relu, activation.alpha);
    case Activation::kClip:
      return append(algorithm::eltwise_clip, activation.alpha, activation.beta);
    case Activation::kSigmoid: return append(algorithm::eltwise_logistic);
    case Activation::kTanh: return append(algorithm::eltwise_tanh);
    case Activation::kSilu: return append(algorithm::eltwise_swish, 1.0f);
    case Activation::kHardSwish: return append(algorithm::eltwise_hardswish);
    case Activation::kGelu: return append(algorithm::eltwise_gelu_erf);
  }
  return false;
}

}  // namespace ergo
