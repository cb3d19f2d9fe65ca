#include "kernels/cuda/shared_library.h"

#include <dlfcn.h>

namespace ergo::cuda {

Result<SharedLibrary> SharedLibrary::Open(const char* file) {
  SharedLibrary library;
  library.file_ = file;
  library.library_.reset(dlopen(file, RTLD_NOW | RTLD_LOCAL));
  if (!library.library_) {
    const char* reason = dlerror();
    return Error(StatusCode::kUnavailable, "{}", reason != nullptr ? reason : file);
  }
  return library;
}

void* SharedLibrary::Symbol(const char* symbol) const {
  return dlsym(library_.get(), symbol);
}

void SharedLibrary::Close::operator()(void* library) const {
  dlclose(library);
}

}  // namespace ergo::cuda
