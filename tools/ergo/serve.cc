// ergo serve.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/energy/meter.h"
#include "engine/run/thread_pool.h"
#include "server/server.h"
#include "tools/ergo/command.h"
#include "tools/ergo/input_shapes.h"
#include "tools/ergo/limits.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr const char* kDefaultEndpoint = "tcp://127.0.0.1:7077";

// SIGTERM and SIGINT as something to read from. They are blocked in the thread that makes it and in
// every thread that it starts afterwards.
class StopSignals {
 public:
  static Result<StopSignals> Block() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    StopSignals signals;
    signals.descriptor_ = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals.descriptor_ < 0) {
      return Error(StatusCode::kDeviceError, "signalfd: {}", std::strerror(errno));
    }
    return signals;
  }
  StopSignals(StopSignals&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  // Until one of them comes.
  void Wait() {
    signalfd_siginfo info{};
    while (read(descriptor_, &info, sizeof(info)) < 0 && errno == EINTR) {
    }
  }

  // From here on they end the process at once, as they do by default: the second one of an operator
  // who does not want to wait for a drain.
  static void Unblock() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }

 private:
  StopSignals() = default;
  int descriptor_ = -1;
};

class Serve final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("models", models_, "Model files: PATH, or NAME=PATH")->type_name("MODEL");
    app.add_option("--models", folder_, "Serve every model of a folder")->type_name("FOLDER");
    app.add_option("--listen", listen_,
                   "tcp://HOST:PORT (port 0: any free one) or unix:///PATH; may be repeated")
        ->type_name("ENDPOINT")
        ->default_str(kDefaultEndpoint);
    DefineModelFlags(app, flags_);
    app.add_option("--rings", options_.ring_threads, "Threads that serve sockets")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--workers", workers_, "Threads that run larger models (0: one a processor)")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--inline-us", options_.inline_compute_us,
                   "Models that take less than this run on the ring's own thread (0: none)")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--backend", backend_, "auto, uring or epoll")->capture_default_str();
    app.add_option("--max-connections", options_.limits.max_connections, "")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--max-body-bytes", options_.limits.max_body_bytes, "Largest frame taken")
        ->capture_default_str();
    app.add_option("--max-queued", options_.limits.max_queued_requests,
                   "Requests that may wait for a worker; others are refused as OVERLOADED")
        ->capture_default_str();
    app.add_option("--max-plans", max_plans_,
                   "Plans that are kept of each model, one for each combination of input shapes; "
                   "what `ergo convert --dim` bounds is planned before the first request")
        ->check(CLI::Range(int64_t{1}, kMaxPlans))
        ->capture_default_str();
    app.add_option("--drain-ms", options_.limits.drain_grace_ms,
                   "How long clients may take to read their last answers after SIGTERM")
        ->capture_default_str();
    app.add_flag("--access-log", options_.access_log, "Log a line for each request");
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Repository> repository, LoadModels());
    ERGO_RETURN_IF_ERROR(SetOptions());
    OpenedMeter opened = OpenMeter({});
    options_.meter = opened.meter.get();
    ERGO_ASSIGN_OR_RETURN(StopSignals signals, StopSignals::Block());
    ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                          Server::Start(std::move(repository), options_));
    Announce(*server, opened);
    ERGO_RETURN_IF_ERROR(FlushReport());
    signals.Wait();
    StopSignals::Unblock();
    server->Drain();
    server->Wait();
    Farewell(*server);
    return kExitOk;
  }

 private:
  Result<std::unique_ptr<Repository>> LoadModels() {
    ERGO_ASSIGN_OR_RETURN(ModelOptions model_options, ApplyModelFlags(flags_));
    options_.pin_cpus = model_options.pin_cpus;
    model_options.max_plans = static_cast<size_t>(max_plans_);
    auto repository = std::make_unique<Repository>(model_options);
    if (models_.empty() && folder_.empty()) {
      return InvalidArgument("no model: give files, or a folder with --models");
    }
    for (const std::string& text : models_) {
      if (text.find('=') == std::string::npos) {
        ERGO_RETURN_IF_ERROR(repository->LoadFile(text));
      } else {
        ERGO_ASSIGN_OR_RETURN(auto named, SplitAssignment("MODEL", text));
        ERGO_RETURN_IF_ERROR(repository->LoadFile(named.second, std::move(named.first), 1));
      }
    }
    if (!folder_.empty()) ERGO_RETURN_IF_ERROR(repository->LoadFolder(folder_));
    repository->Seal();
    ERGO_ASSIGN_OR_RETURN(not_planned_, repository->PlanAhead());
    return repository;
  }

  Status SetOptions() {
    if (listen_.empty()) listen_.push_back(kDefaultEndpoint);
    for (const std::string& text : listen_) {
      Result<Endpoint> endpoint = Endpoint::Parse(text);
      if (!endpoint.ok()) return std::move(endpoint).status().WithContext("--listen");
      options_.endpoints.push_back(std::move(endpoint).value());
    }
    const std::optional<RingKind> kind = RingKindFromName(backend_);
    if (!kind) return InvalidArgument("--backend '{}': use auto, uring or epoll", backend_);
    options_.ring = *kind;
    options_.workers = workers_ > 0 ? workers_ : AvailableProcessors();
    return {};
  }

  void Announce(const Server& server, const OpenedMeter& opened) const {
    if (Json()) {
      tool::Json document;
      document["event"] = "listening";
      for (const Endpoint& endpoint : server.Endpoints()) {
        document["endpoints"].push_back(endpoint.ToString());
      }
      for (const auto& model : server.Models().Models()) {
        document["models"].push_back({{"name", model->name}, {"version", model->version}});
      }
      if (!not_planned_.empty()) document["not_planned"] = not_planned_;
      document["backend"] = RingKindName(server.Backend());
      document["energy"] = opened.meter->Describe();
      document["pid"] = getpid();
      PrintText(document.dump(-1, ' ', false, tool::Json::error_handler_t::replace) + "\n");
      return;
    }
    for (const auto& model : server.Models().Models()) {
      Print("model {} version {}{}{}\n", model->name, model->version,
            model->path.empty() ? "" : " from ", model->path);
    }
    for (const std::string& line : not_planned_) Print("  {}\n", Printable(line));
    Print("backend {}, {} ring threads, {} workers\n", RingKindName(server.Backend()),
          options_.ring_threads, options_.workers);
    Print("energy: {}\n", opened.meter->Describe());
    for (const Endpoint& endpoint : server.Endpoints()) {
      Print("listening on {}\n", endpoint.ToString());
    }
  }

  void Farewell(const Server& server) const {
    uint64_t requests = 0, results = 0;
    for (const native::Figure& figure : server.Stats()) {
      if (figure.values.empty()) continue;
      if (figure.name == "requests") requests = figure.values[0];
      if (figure.name == "results") results = figure.values[0];
    }
    if (Json()) {
      const tool::Json document = {
          {"event", "drained"}, {"requests", requests}, {"results", results}};
      PrintText(document.dump() + "\n");
    } else {
      Print("drained: {} requests, {} results\n", requests, results);
    }
  }

  std::vector<std::string> models_;
  std::string folder_;
  std::vector<std::string> listen_;
  std::string backend_ = "auto";
  int workers_ = 0;
  int64_t max_plans_ = kDefaultMaxPlans;
  std::vector<std::string> not_planned_;
  ModelFlags flags_;
  ServerOptions options_;
};

}  // namespace

std::unique_ptr<Command> MakeServe() {
  return std::make_unique<Serve>();
}

}  // namespace ergo::tool
