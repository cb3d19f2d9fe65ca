#include "tools/ergo/load_generator.h"

#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tools/ergo/model_source.h"

namespace ergo::tool {
namespace {

constexpr int64_t kNsPerS = 1'000'000'000;
// After the last request was sent, answers may take this long.
constexpr int64_t kDrainNs = 30 * kNsPerS;

// When requests are due, from a start on.
class Schedule {
 public:
  Schedule(const LoadPlan& plan, int64_t start_ns)
      : plan_(plan), rng_(plan.seed), next_ns_(static_cast<double>(start_ns)) {}

  int64_t NextNs() const { return static_cast<int64_t>(next_ns_); }
  void Advance() {
    const double gap_ns = static_cast<double>(kNsPerS) / plan_.rate_per_s;
    if (plan_.arrivals == Arrivals::kConstant) {
      next_ns_ += gap_ns;
      return;
    }
    // 53 random bits in (0, 1]: its logarithm is finite. std::exponential_distribution differs
    // between libraries.
    const double u = (static_cast<double>(rng_() >> 11) + 1) * 0x1p-53;
    next_ns_ -= gap_ns * std::log(u);
  }

 private:
  const LoadPlan& plan_;
  std::mt19937_64 rng_;
  double next_ns_;
};

class Generator {
 public:
  Generator(std::span<const std::unique_ptr<Client>> clients, const InferRequest& request,
            const LoadPlan& plan)
      : request_(request), plan_(plan) {
    for (const auto& client : clients) lanes_.push_back({client.get(), {}, false});
  }

  Result<LoadResult> Run(const std::function<void(double, const LoadResult&)>& progress) {
    // The kernel may otherwise wake us 50 us late, which would count as latency.
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    const int64_t start_ns = MonotonicNs();
    measure_from_ns_ = start_ns + static_cast<int64_t>(plan_.warmup_s * 1e9);
    measure_until_ns_ = measure_from_ns_ + static_cast<int64_t>(plan_.duration_s * 1e9);
    Schedule schedule(plan_, start_ns);
    int64_t next_progress_ns = start_ns;
    while (true) {
      const int64_t now_ns = MonotonicNs();
      if (now_ns >= next_progress_ns) {
        progress(ShareDone(now_ns), result_);
        next_progress_ns = now_ns + kNsPerS;
      }
      const bool sending = now_ns < measure_until_ns_ && !EnoughSent();
      if (sending) Send(schedule, now_ns);
      if (!sending && stopped_ns_ == 0) stopped_ns_ = now_ns;
      if (!AnyAlive()) break;
      if (!sending && (InFlight() == 0 || now_ns > stopped_ns_ + kDrainNs)) break;
      Receive(sending ? WaitNs(schedule) : kNsPerS / 10);
    }
    for (Lane& lane : lanes_) CountLost(lane, "NO_ANSWER");
    const int64_t end_ns =
        stopped_ns_ == 0 ? MonotonicNs() : std::min(stopped_ns_, measure_until_ns_);
    result_.measured_s = static_cast<double>(std::max<int64_t>(end_ns - measure_from_ns_, 0)) / 1e9;
    progress(1, result_);
    if (result_.ok == 0 && !AnyAlive()) return last_error_;
    return std::move(result_);
  }

 private:
  struct Flight {
    int64_t due_ns;
    bool counts;  // due within the measured time
  };
  struct Lane {
    Client* client;
    std::unordered_map<uint64_t, Flight> flights;
    bool lost;
  };

  bool HasRoom(const Lane& lane) const {
    return !lane.lost && !lane.client->ServerIsDraining() &&
           lane.flights.size() < static_cast<size_t>(plan_.in_flight);
  }

  void Send(Schedule& schedule, int64_t now_ns) {
    if (plan_.rate_per_s <= 0) {
      for (Lane& lane : lanes_) {
        while (HasRoom(lane) && !EnoughSent()) Submit(lane, MonotonicNs());
      }
      return;
    }
    while (schedule.NextNs() <= now_ns && !EnoughSent()) {
      Lane* lane = NextWithRoom();
      if (lane == nullptr) return;
      const int64_t due_ns = schedule.NextNs();
      schedule.Advance();
      Submit(*lane, due_ns);
    }
  }

  // Round robin, so that open-loop requests spread over the connections.
  Lane* NextWithRoom() {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = lanes_[(turn_ + i) % lanes_.size()];
      if (!HasRoom(lane)) continue;
      turn_ = (turn_ + i + 1) % lanes_.size();
      return &lane;
    }
    return nullptr;
  }

  void Submit(Lane& lane, int64_t due_ns) {
    const bool counts = due_ns >= measure_from_ns_;
    Result<uint64_t> id = lane.client->Submit(request_);
    if (!id.ok()) {
      Lose(lane, id.status());
      return;
    }
    lane.flights.emplace(*id, Flight{due_ns, counts});
    if (!counts) return;
    ++result_.sent;
    if (plan_.rate_per_s > 0) result_.lag_ns.Record(MonotonicNs() - due_ns);
  }

  void Receive(int64_t wait_ns) {
    descriptors_.clear();
    for (const Lane& lane : lanes_) {
      // poll passes over negative descriptors.
      descriptors_.push_back({lane.lost ? -1 : lane.client->Descriptor(), POLLIN, 0});
    }
    const timespec timeout{wait_ns / kNsPerS, wait_ns % kNsPerS};
    ppoll(descriptors_.data(), descriptors_.size(), &timeout, nullptr);
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (!lanes_[i].lost) Collect(lanes_[i]);
    }
  }

  void Collect(Lane& lane) {
    while (true) {
      Result<std::optional<InferResult>> answer = lane.client->Poll(0);
      if (!answer.ok()) {
        Lose(lane, answer.status());
        return;
      }
      if (!*answer) return;
      const auto flight = lane.flights.find((*answer)->request_id);
      if (flight == lane.flights.end()) continue;
      if (flight->second.counts) Count(**answer, MonotonicNs() - flight->second.due_ns);
      lane.flights.erase(flight);
    }
  }

  void Count(const InferResult& answer, int64_t latency_ns) {
    if (!answer.status.ok()) {
      ++result_.errors[std::string(native::ErrorCodeName(answer.error))];
      return;
    }
    ++result_.ok;
    result_.latency_ns.Record(latency_ns);
    result_.queue_ns.Record(static_cast<int64_t>(answer.queue_ns));
    result_.compute_ns.Record(static_cast<int64_t>(answer.compute_ns));
    result_.batch_sum += answer.batch_size;
    switch (answer.joules.source) {
      case EnergySource::kMeasured:
        result_.measured_joules += answer.joules.value;
        ++result_.measured_answers;
        break;
      case EnergySource::kModelled:
        result_.modelled_joules += answer.joules.value;
        ++result_.modelled_answers;
        break;
      case EnergySource::kUnavailable: ++result_.unmetered_answers; break;
    }
  }

  void Lose(Lane& lane, const Status& why) {
    lane.lost = true;
    last_error_ = why;
    CountLost(lane, "CONNECTION_LOST");
  }

  void CountLost(Lane& lane, const char* name) {
    for (const auto& [id, flight] : lane.flights) {
      if (flight.counts) ++result_.errors[name];
    }
    lane.flights.clear();
  }

  bool EnoughSent() const { return plan_.max_requests > 0 && result_.sent >= plan_.max_requests; }

  bool AnyAlive() const {
    return std::ranges::any_of(lanes_, [](const Lane& lane) {
      return !lane.lost && !(lane.client->ServerIsDraining() && lane.flights.empty());
    });
  }

  size_t InFlight() const {
    size_t count = 0;
    for (const Lane& lane : lanes_) count += lane.flights.size();
    return count;
  }

  int64_t WaitNs(const Schedule& schedule) const {
    if (plan_.rate_per_s <= 0) return kNsPerS / 10;
    return std::clamp<int64_t>(schedule.NextNs() - MonotonicNs(), 0, kNsPerS / 10);
  }

  double ShareDone(int64_t now_ns) const {
    const auto whole = static_cast<double>(measure_until_ns_ - measure_from_ns_);
    double share = whole <= 0 ? 1 : static_cast<double>(now_ns - measure_from_ns_) / whole;
    if (plan_.max_requests > 0) {
      share = std::max(share,
                       static_cast<double>(result_.sent) / static_cast<double>(plan_.max_requests));
    }
    return std::clamp(share, 0.0, 1.0);
  }

  const InferRequest& request_;
  const LoadPlan& plan_;
  std::vector<Lane> lanes_;
  std::vector<pollfd> descriptors_;
  size_t turn_ = 0;
  int64_t measure_from_ns_ = 0, measure_until_ns_ = 0, stopped_ns_ = 0;
  LoadResult result_;
  Status last_error_ = Error(StatusCode::kUnavailable, "no connection");
};

}  // namespace

Result<LoadResult> GenerateLoad(std::span<const std::unique_ptr<Client>> clients,
                                const InferRequest& request, const LoadPlan& plan,
                                const std::function<void(double, const LoadResult&)>& progress) {
  return Generator(clients, request, plan).Run(progress);
}

}  // namespace ergo::tool
