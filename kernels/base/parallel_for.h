// ParallelFor: the only way in which a kernel uses more than one thread. The engine's thread pool
// implements it; tests use SerialFor.
#ifndef ERGO_KERNELS_BASE_PARALLEL_FOR_H_
#define ERGO_KERNELS_BASE_PARALLEL_FOR_H_

#include <cstdint>
#include <type_traits>
#include <utility>

namespace ergo {

// A borrowed callable, two pointers wide: no allocation, and valid for the call it is passed to.
template <typename Signature>
class FunctionRef;
template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& function)  // NOLINT: implicit, so that a lambda can be passed
      : object_(const_cast<void*>(static_cast<const void*>(&function))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

class ParallelFor {
 public:
  virtual ~ParallelFor() = default;

  // Threads that can work at once, the caller included; at least 1, constant.
  virtual int Workers() const = 0;

  // Calls task(index, worker) once for each index in [0, count), in any order and concurrently,
  // with worker in [0, Workers()) and no two calls with the same worker at once (so that workers
  // can own slices of a workspace). Returns when all calls have returned; what they wrote is then
  // visible to the caller. `task` must not call Run again.
  virtual void Run(int64_t count, FunctionRef<void(int64_t index, int worker)> task) = 0;
};

// Everything on the calling thread, in order.
class SerialFor final : public ParallelFor {
 public:
  int Workers() const override { return 1; }
  void Run(int64_t count, FunctionRef<void(int64_t index, int worker)> task) override {
    for (int64_t index = 0; index < count; ++index) task(index, 0);
  }
};

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_PARALLEL_FOR_H_
