// SharedLibrary: a library that may not be there, and its functions by name.
//
// Thread safety: as a pointer's.
#ifndef ERGO_KERNELS_CUDA_SHARED_LIBRARY_H_
#define ERGO_KERNELS_CUDA_SHARED_LIBRARY_H_

#include <memory>
#include <string>

#include "kernels/base/status.h"

namespace ergo::cuda {

class SharedLibrary {
 public:
  // Unavailable, with the loader's reason, where `file` ("libcuda.so.1") cannot be loaded.
  static Result<SharedLibrary> Open(const char* file);

  // Sets `function` to the symbol; Unavailable, naming it, where the library has no such one.
  template <typename Function>
  Status Find(const char* symbol, Function*& function) const {
    void* found = Symbol(symbol);
    if (found == nullptr) {
      return Error(StatusCode::kUnavailable, "{} has no {}: it is too old", file_, symbol);
    }
    function = reinterpret_cast<Function*>(found);
    return {};
  }

 private:
  struct Close {
    void operator()(void* library) const;
  };
  void* Symbol(const char* symbol) const;
  std::unique_ptr<void, Close> library_;
  std::string file_;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_SHARED_LIBRARY_H_
