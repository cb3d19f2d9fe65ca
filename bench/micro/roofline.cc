#include "bench/micro/roofline.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>

#include "kernels/base/simd_targets.h"
#include "kernels/qgemm/vnni.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/micro/roofline.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/qgemm/dot4-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo::micro {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Enough chains to hide the latency of a multiply-add, few enough for 16 registers.
constexpr size_t kChains = 12;

// Flops done; the sum goes to `sink`, so that none can be left out.
double MultiplyAdds(int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  hn::Vec<decltype(d)> sums[kChains];
  for (size_t i = 0; i < kChains; ++i) sums[i] = hn::Set(d, static_cast<float>(i) + sink[0]);
  const auto factor = hn::Set(d, sink[1]), summand = hn::Set(d, sink[2]);
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < kChains; ++i) sums[i] = hn::MulAdd(sums[i], factor, summand);
  }
  for (size_t i = 1; i < kChains; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  sink[0] = hn::GetLane(sums[0]);
  return 2.0 * static_cast<double>(rounds) * static_cast<double>(kChains * hn::Lanes(d));
}

#if HWY_TARGET == HWY_SCALAR
double PlainDots(int64_t, int32_t*) {
  return 1;
}
double VnniDots(int64_t, int32_t*) {
  return 1;
}
#else
using ergo::HWY_NAMESPACE::DotTag;
using ergo::HWY_NAMESPACE::DotVec;
using ergo::HWY_NAMESPACE::kDotLanes;
using ergo::HWY_NAMESPACE::PlainDot;
using ergo::HWY_NAMESPACE::VnniDot;

// As MultiplyAdds, with products of bytes.
template <class Dot>
double Dots(int64_t rounds, int32_t* sink) {
  const DotTag d;
  typename Dot::Sums sums[kChains];
  HWY_UNROLL(kChains)
  for (size_t i = 0; i < kChains; ++i) sums[i] = Dot::Start(hn::Set(d, sink[0]));
  const auto bytes = Dot::Take(hn::Set(d, sink[1]));
  const std::byte packed[8] = {std::byte(sink[2]), std::byte(1), std::byte(2), std::byte(3)};
  const auto weights = Dot::Broadcast(packed);
  for (int64_t round = 0; round < rounds; ++round) {
    HWY_UNROLL(kChains)
    for (size_t i = 0; i < kChains; ++i) Dot::MulAdd(bytes, weights, sums[i]);
  }
  DotVec total = hn::Zero(d);
  HWY_UNROLL(kChains)
  for (size_t i = 0; i < kChains; ++i) total = hn::Add(total, Dot::Total(sums[i]));
  sink[0] = hn::GetLane(total);
  return 8.0 * static_cast<double>(rounds) * static_cast<double>(kChains * kDotLanes);
}
double PlainDots(int64_t rounds, int32_t* sink) {
  return Dots<PlainDot>(rounds, sink);
}
double VnniDots(int64_t rounds, int32_t* sink) {
  return Dots<VnniDot>(rounds, sink);
}
#endif

float ReadSum(const float* HWY_RESTRICT from, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kStreams = 8;
  hn::Vec<decltype(d)> sums[kStreams];
  for (size_t i = 0; i < kStreams; ++i) sums[i] = hn::Zero(d);
  for (size_t at = 0; at + kStreams * lanes <= count; at += kStreams * lanes) {
    for (size_t i = 0; i < kStreams; ++i) {
      sums[i] = hn::Add(sums[i], hn::Load(d, from + at + i * lanes));
    }
  }
  for (size_t i = 1; i < kStreams; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  return hn::GetLane(sums[0]);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo::micro
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo::micro {
namespace {

HWY_EXPORT(MultiplyAdds);
HWY_EXPORT(PlainDots);
HWY_EXPORT(VnniDots);
HWY_EXPORT(ReadSum);

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The best rate of several rounds of `amount` each, within about `seconds`: what others take from
// the machine meanwhile is not its limit.
template <typename Body>
double BestRate(double seconds, const Body& body) {
  double best = 0;
  const Clock::time_point begin = Clock::now();
  for (int round = 0; round < 3 || SecondsSince(begin) < seconds; ++round) {
    const Clock::time_point start = Clock::now();
    const double amount = body();
    best = std::max(best, amount / SecondsSince(start));
  }
  return best;
}

double MultiplyAddsOf(ParallelFor& parallel) {
  constexpr int64_t kRounds = 200'000;
  std::atomic<double> total{0};
  parallel.Run(parallel.Workers(), [&](int64_t, int) {
    // Factor and summand keep the sums finite; the optimizer does not know them.
    volatile float start[3] = {0.5f, 0.999f, 0.001f};
    float sink[3] = {start[0], start[1], start[2]};
    const double flops = HWY_DYNAMIC_DISPATCH(MultiplyAdds)(kRounds, sink);
    start[0] = sink[0];
    total.fetch_add(flops);
  });
  return total.load();
}

double DotsOf(ParallelFor& parallel) {
  constexpr int64_t kRounds = 200'000;
  const bool vnni = VnniInForce();
  std::atomic<double> total{0};
  parallel.Run(parallel.Workers(), [&](int64_t, int) {
    volatile int32_t start[3] = {1, 0x01020304, 5};
    int32_t sink[3] = {start[0], start[1], start[2]};
    const double operations = vnni ? HWY_DYNAMIC_DISPATCH(VnniDots)(kRounds, sink)
                                   : HWY_DYNAMIC_DISPATCH(PlainDots)(kRounds, sink);
    start[0] = sink[0];
    total.fetch_add(operations);
  });
  return total.load();
}

// Every task waits for the others, so that no worker does two.
double ForksOf(ParallelFor& parallel) {
  constexpr int64_t kForks = 10;
  std::atomic<int64_t> arrived{0};
  for (int64_t fork = 1; fork <= kForks; ++fork) {
    parallel.Run(parallel.Workers(), [&](int64_t, int) {
      arrived.fetch_add(1);
      while (arrived.load() < fork * parallel.Workers()) {
      }
    });
  }
  return static_cast<double>(kForks);
}

}  // namespace

Roofline::Roofline(ParallelFor& parallel, double seconds) : parallel_(parallel), seconds_(seconds) {
  ChooseSimdTarget();
  // Several threads do not always find all their processors free.
  const double longer = seconds * (parallel_.Workers() > 1 ? 4 : 1);
  peak_gflops_ = BestRate(longer, [&] { return MultiplyAddsOf(parallel_); }) * 1e-9;
  peak_byte_gops_ = BestRate(longer, [&] { return DotsOf(parallel_); }) * 1e-9;
  fork_join_us_ = 1e6 / BestRate(longer, [&] { return ForksOf(parallel_); });
}

double Roofline::BandwidthGbps(int64_t bytes) {
  const int64_t size = std::clamp<int64_t>(
      static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(bytes, 1)))),
      int64_t{1} << 14, kMemoryBytes);
  const auto known = bandwidths_.find(size);
  if (known != bandwidths_.end()) return known->second;
  const auto workers = static_cast<size_t>(parallel_.Workers());
  const AlignedBuffer buffer = [&] {
    AlignedBuffer fresh = AlignedBuffer::AllocateOrDie(static_cast<size_t>(size));
    std::fill_n(fresh.As<float>(), fresh.Size() / sizeof(float), 1.0f);
    return fresh;
  }();
  const size_t floats = static_cast<size_t>(size) / sizeof(float);
  const size_t share = floats / workers / 16 * 16;
  std::atomic<float> sink{0};
  const double rate = BestRate(seconds_, [&] {
    // Small sizes are read several times, since one time would be too short to measure.
    const int64_t repeats = std::max<int64_t>(1, (int64_t{1} << 22) / size);
    parallel_.Run(static_cast<int64_t>(workers), [&](int64_t worker, int) {
      float sum = 0;
      for (int64_t i = 0; i < repeats; ++i) {
        sum += HWY_DYNAMIC_DISPATCH(ReadSum)(
            buffer.As<float>() + static_cast<size_t>(worker) * share, share);
      }
      sink.store(sum);
    });
    return static_cast<double>(repeats) * static_cast<double>(share * workers * sizeof(float));
  });
  return bandwidths_[size] = rate * 1e-9;
}

double Roofline::LeastSeconds(const KernelCost& cost, bool integer) {
  const int64_t bytes = cost.bytes_read + cost.bytes_written;
  return std::max(
      static_cast<double>(cost.flops) * 1e-9 / (integer ? PeakByteGops() : PeakGflops()),
      static_cast<double>(bytes) * 1e-9 / BandwidthGbps(bytes));
}

std::vector<TargetPeak> MeasurePeaks(double seconds) {
  std::vector<TargetPeak> peaks;
  const std::string active = ActiveSimdTarget().name;
  ResetSimdTarget();
  SerialFor serial;
  for (const SimdTarget& target : RunnableSimdTargets()) {
    ERGO_CHECK(ForceSimdTarget(target.name).ok());
    peaks.push_back(
        {target.name, BestRate(seconds, [&] { return MultiplyAddsOf(serial); }) * 1e-9});
    ResetSimdTarget();
  }
  ERGO_CHECK(ForceSimdTarget(active).ok());
  return peaks;
}

}  // namespace ergo::micro
#endif  // HWY_ONCE
