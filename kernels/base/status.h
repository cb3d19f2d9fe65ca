// Status and Result<T>: how everything outside the hot path reports failure.
//
// Three kinds of failure, three mechanisms:
//   * bad input or environment  -> Status / Result<T>, always looked at ([[nodiscard]]);
//   * a bug of ours             -> ERGO_CHECK, always on, prints the place and aborts;
//   * hot kernels               -> validated when they are made, return void when they run.
// `StatusCode::kUnsupported` is the only code on which kernel selection tries the next variant;
// every other code stops it.
//
// Thread safety: values, as safe as an int. An OK Status is one null pointer and costs nothing.
#ifndef ERGO_KERNELS_BASE_STATUS_H_
#define ERGO_KERNELS_BASE_STATUS_H_

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ergo {

enum class StatusCode {
  kOk = 0,
  kInvalidArgument,    // the caller's request makes no sense, whatever the state of the machine
  kUnsupported,        // valid, but not implemented (by this variant, or at all)
  kCorruptData,        // bytes that do not parse or whose checksum is wrong
  kNotFound,           // a file, model, tensor or name that is not there
  kResourceExhausted,  // a limit of limits.h, memory, queue space
  kDeadlineExceeded,
  kUnavailable,  // try again later, or elsewhere: draining, connection lost
  kDeviceError,  // I/O, system calls, accelerators
  kInternal,
};

// "INVALID_ARGUMENT" and so on; stable, used in the protocol's texts and in --json.
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message);

  Status(const Status& other) { *this = other; }
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  // Without the code. Empty when OK.
  std::string_view message() const { return rep_ ? std::string_view(rep_->message) : ""; }
  // "INVALID_ARGUMENT: conv_3: weight: ..." or "OK".
  std::string ToString() const;

  // Puts "context: " before the message, on the way up. OK stays OK.
  Status WithContext(std::string_view context) &&;

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

// Formats a message in place: `return Error(StatusCode::kNotFound, "no model '{}'", name);`
template <typename... Args>
Status Error(StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return Error(StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status Unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return Error(StatusCode::kUnsupported, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status CorruptData(fmt::format_string<Args...> format, Args&&... args) {
  return Error(StatusCode::kCorruptData, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return Error(StatusCode::kNotFound, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status ResourceExhausted(fmt::format_string<Args...> format, Args&&... args) {
  return Error(StatusCode::kResourceExhausted, format, std::forward<Args>(args)...);
}

// Prints "file:line: check failed: condition: detail" and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              std::string_view detail);

// A value or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit, so that `return value;` works
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit likewise
    if (status_.ok()) CheckFailed(__FILE__, __LINE__, "!status.ok()", "OK without a value");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // Only when ok(); anything else is a bug and aborts with the status.
  T& value() & { return Checked(); }
  const T& value() const& { return const_cast<Result*>(this)->Checked(); }
  T&& value() && { return std::move(Checked()); }
  T* operator->() { return &Checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->Checked(); }
  T& operator*() & { return Checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->Checked(); }
  T&& operator*() && { return std::move(Checked()); }

 private:
  T& Checked() {
    if (!value_) CheckFailed(__FILE__, __LINE__, "result.ok()", status_.ToString());
    return *value_;
  }

  Status status_;
  std::optional<T> value_;
};

}  // namespace ergo

// Always on: for what only a bug of ours can make false.
#define ERGO_CHECK(condition) ERGO_CHECK_MSG(condition, "")
#define ERGO_CHECK_MSG(condition, ...)                                                 \
  do {                                                                                 \
    if (!(condition)) [[unlikely]]                                                     \
      ::ergo::CheckFailed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)

#define ERGO_RETURN_IF_ERROR(expression)                                                     \
  do {                                                                                       \
    if (::ergo::Status ergo_status_ = (expression); !ergo_status_.ok()) return ergo_status_; \
  } while (false)

// ERGO_ASSIGN_OR_RETURN(auto x, MakeX());
#define ERGO_ASSIGN_OR_RETURN(declaration, expression) \
  ERGO_ASSIGN_OR_RETURN_IMPL_(ERGO_CONCAT_(ergo_result_, __LINE__), declaration, expression)
#define ERGO_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result.ok()) return std::move(result).status();               \
  declaration = std::move(result).value()
#define ERGO_CONCAT_(a, b) ERGO_CONCAT_IMPL_(a, b)
#define ERGO_CONCAT_IMPL_(a, b) a##b

#endif  // ERGO_KERNELS_BASE_STATUS_H_
