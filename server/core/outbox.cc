#include "server/core/outbox.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ergo {

void Outbox::Push(AlignedBuffer buffer, size_t offset, size_t bytes) {
  frames_.push_back({std::move(buffer), offset, bytes, false});
  bytes_ += bytes;
}

void Outbox::PushCopy(std::span<const std::byte> frame, BufferPool& pool) {
  constexpr size_t kSharedBytes = 4096;
  bytes_ += frame.size();
  if (frames_.size() > sending_ && frames_.back().shared) {
    Frame& last = frames_.back();
    if (last.buffer.Size() - last.bytes >= frame.size()) {
      std::memcpy(last.buffer.Data() + last.bytes, frame.data(), frame.size());
      last.bytes += frame.size();
      return;
    }
  }
  AlignedBuffer buffer = pool.Take(std::max(frame.size(), kSharedBytes)).value();
  std::memcpy(buffer.Data(), frame.data(), frame.size());
  frames_.push_back({std::move(buffer), 0, frame.size(), true});
}

std::span<const iovec> Outbox::BeginSend() {
  constexpr size_t kMaxFrames = 128;
  ERGO_CHECK(sending_ == 0);
  ++sends_;
  sending_ = std::min(frames_.size(), kMaxFrames);
  parts_.clear();
  for (size_t i = 0; i < sending_; ++i) {
    Frame& frame = frames_[i];
    parts_.push_back({frame.buffer.Data() + frame.offset, frame.bytes});
  }
  return parts_;
}

size_t Outbox::Sent(BufferPool& pool) {
  const size_t before = bytes_;
  for (; sending_ > 0; --sending_) {
    bytes_ -= frames_.front().bytes;
    pool.Give(std::move(frames_.front().buffer));
    frames_.pop_front();
  }
  return before - bytes_;
}

}  // namespace ergo
