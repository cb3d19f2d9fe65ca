#include "kernels/cuda/system_libraries.h"

#include <mutex>
#include <optional>

namespace ergo::cuda {
namespace {

// Opened once, whatever comes of it.
template <typename Library>
class Lazy {
 public:
  Result<Library*> Get(Result<std::unique_ptr<Library>> (*open)()) {
    std::lock_guard lock(mutex_);
    if (!library_) library_.emplace(open());
    if (!library_->ok()) return library_->status();
    return library_->value().get();
  }

 private:
  std::mutex mutex_;
  std::optional<Result<std::unique_ptr<Library>>> library_;
};

class LoadedLibraries final : public Libraries {
 public:
  Result<std::unique_ptr<Matmul>> MakeMatmul(const MatmulSpec& spec) override {
    ERGO_ASSIGN_OR_RETURN(CublasLt * library, cublas_lt_.Get(&OpenCublasLt));
    return library->Make(spec);
  }
  Result<std::unique_ptr<Convolution>> MakeConvolution(const ConvolutionSpec& spec) override {
    ERGO_ASSIGN_OR_RETURN(Cudnn * library, cudnn_.Get(&OpenCudnn));
    return library->Make(spec);
  }

 private:
  Lazy<CublasLt> cublas_lt_;
  Lazy<Cudnn> cudnn_;
};

}  // namespace

std::unique_ptr<Libraries> SystemLibraries() {
  return std::make_unique<LoadedLibraries>();
}

}  // namespace ergo::cuda
