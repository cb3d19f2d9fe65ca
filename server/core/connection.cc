#include "server/core/connection.h"

#include "server/monotonic_clock.h"

namespace ergo {

bool Connection::FrameIsLate(int64_t now_ns) {
  // While the server itself does not read, the time does not run.
  const uint64_t part = paused ? 0 : decoder.Part();
  if (part == 0 || part != frame_part) {
    frame_part = part;
    frame_begin_ns = now_ns;
    return false;
  }
  constexpr int64_t kBytesPerSecond = 1 << 20;
  const int64_t transfer_ns = int64_t{decoder.PartialBytes()} * kNsPerSecond / kBytesPerSecond;
  return now_ns - frame_begin_ns > limits.frame_timeout_ms * kNsPerMs + transfer_ns;
}

bool Connection::SendIsStalled(int64_t now_ns, size_t sent_so_far) {
  if (!outbox.Sending()) {
    send_progress_ns = 0;
    return false;
  }
  // The same number of bytes of another send is progress too.
  if (send_progress_ns == 0 || sent_so_far != send_progress_bytes ||
      outbox.Sends() != send_progress_sends) {
    send_progress_ns = now_ns;
    send_progress_bytes = sent_so_far;
    send_progress_sends = outbox.Sends();
  }
  return now_ns - send_progress_ns > limits.write_stall_timeout_ms * kNsPerMs;
}

Connection::Verdict Connection::CheckTime(int64_t now_ns, size_t sent_so_far, bool draining) {
  if (phase == Phase::kClosed) return Verdict::kFine;
  if (SendIsStalled(now_ns, sent_so_far)) return Verdict::kStalled;
  if (phase == Phase::kLingering) {
    const bool over = now_ns - linger_begin_ns > limits.drain_grace_ms * kNsPerMs;
    return over ? Verdict::kLingered : Verdict::kFine;
  }
  if (phase == Phase::kFinishing) return Verdict::kFine;
  if (draining && Quiet()) {
    if (quiet_since_ns == 0) quiet_since_ns = now_ns;
    if (now_ns - quiet_since_ns > limits.drain_grace_ms * kNsPerMs) return Verdict::kDrained;
  } else {
    quiet_since_ns = 0;
  }
  if (phase == Phase::kGreeting && now_ns - accepted_ns > limits.hello_timeout_ms * kNsPerMs) {
    return Verdict::kHelloLate;
  }
  if (FrameIsLate(now_ns)) return Verdict::kFrameLate;
  const bool idle = idle_timeout_ms > 0 && phase == Phase::kOpen && Quiet() &&
                    now_ns - active_ns > idle_timeout_ms * kNsPerMs;
  return idle ? Verdict::kIdle : Verdict::kFine;
}

}  // namespace ergo
