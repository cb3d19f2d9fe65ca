// What the oneDNN variants of all families share. oneDNN allocates inside its execute, keeps
// threads of its own (OpenMP), and throws; its variants are here to be measured and forced, behind
// our own in every list.
#ifndef ERGO_KERNELS_BASE_ONEDNN_H_
#define ERGO_KERNELS_BASE_ONEDNN_H_

#include <dnnl.hpp>
#include <optional>

#include "kernels/base/activation.h"
#include "kernels/base/kernel.h"

namespace ergo {

// The CPU. Thread-safe.
const dnnl::engine& OneDnnEngine();

// Makes OpenMP, and so oneDNN, use at most `workers` threads when called from this thread, until
// the end of the scope.
class OneDnnThreads {
 public:
  explicit OneDnnThreads(int workers);
  ~OneDnnThreads();
  OneDnnThreads(const OneDnnThreads&) = delete;
  OneDnnThreads& operator=(const OneDnnThreads&) = delete;

 private:
  int before_;
};

// Ends the threads that OpenMP keeps for this one: for a while after work they spin, and take the
// processors from whoever is measured next.
void EndOneDnnThreads();

// The kernel that `make` returns. What oneDNN throws meanwhile is Unsupported: it could not be told
// apart from a shape that it does not take.
template <typename Make>
MadeKernel CatchOneDnn(const Make& make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    return Unsupported("oneDNN: {}", error.message);
  }
}

// Calls `body`, which executes primitives that were made before. oneDNN fails there only for a bug
// of ours or without memory.
template <typename Body>
void RunOneDnn(int workers, const Body& body) {
  const OneDnnThreads threads(workers);
  try {
    body();
  } catch (const dnnl::error& error) {
    CheckFailed(__FILE__, __LINE__, "oneDNN", error.message);
  }
}

// Adds the activation to the operations after a primitive. False where oneDNN has no such.
bool AppendActivation(const ActivationSpec& activation, dnnl::post_ops& operations);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_ONEDNN_H_
