// Ergo as one of the engines of bench/peers/compare: a process that loads one model and runs it
// when told to, by JSON lines on stdin and stdout. bench/peers/worker.py, which the other engines
// use, describes them.
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/run/model.h"
#include "engine/run/session.h"
#include "formats/model_file.h"
#include "formats/npy/npy.h"
#include "tools/ergo/model_source.h"

namespace ergo {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Peer {
 public:
  Result<Json> Answer(const Json& request) {
    const std::string op = request.value("op", "");
    if (op == "load") return Load(request);
    if (session_ == nullptr) return InvalidArgument("no model was loaded");
    if (op == "run") return RunFor(request.value("seconds", 0.0));
    if (op == "outputs") return WriteOutputs(request.value("folder", ""));
    if (op == "memory") return PeakMemory();
    return InvalidArgument("unknown op '{}'", op);
  }

 private:
  // From the path to a session: what a user waits for before the first run.
  Result<Json> Load(const Json& request) {
    for (const Json& file : request.value("inputs", Json::array())) {
      ERGO_ASSIGN_OR_RETURN(NamedTensor tensor, ReadTensorFile(file.get<std::string>()));
      inputs_.push_back(std::move(tensor.tensor));
    }
    tool::ModelFlags flags;
    flags.threads = request.value("threads", 1);
    const Clock::time_point begin = Clock::now();
    ERGO_ASSIGN_OR_RETURN(loaded_, tool::LoadModel(request.value("model", ""), flags));
    runner_ = std::make_unique<Runner>(*loaded_.model);
    std::vector<Shape> shapes;
    for (const Tensor& input : inputs_) {
      views_.push_back(input.View());
      shapes.push_back(input.GetShape());
    }
    ERGO_ASSIGN_OR_RETURN(session_, runner_->SessionFor(shapes));
    const double load_s = SecondsSince(begin);
    ERGO_RETURN_IF_ERROR(CheckInputs(session_->GetPlan(), views_));
    MakeOutputs();
    return Json{{"load_s", load_s}};
  }

  // Memory for the outputs, once, where their shapes are known before a run.
  void MakeOutputs() {
    const Plan& plan = session_->GetPlan();
    if (plan.late) return;
    for (const Plan::Port& port : plan.outputs) {
      const int64_t bytes = DTypeBytes(port.dtype, port.shape.Elements());
      AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(static_cast<size_t>(bytes));
      output_views_.push_back({buffer.Data(), port.dtype, Device::kCpu, port.shape});
      outputs_.push_back(Tensor(port.dtype, port.shape, std::move(buffer)));
    }
  }

  Status RunOnce() {
    if (!session_->GetPlan().late) {
      session_->Run(views_, output_views_);
      return {};
    }
    ERGO_ASSIGN_OR_RETURN(outputs_, session_->RunToTensors(views_));
    return {};
  }

  Result<Json> RunFor(double seconds) {
    std::vector<int64_t> ns;
    const Clock::time_point begin = Clock::now();
    do {
      const Clock::time_point start = Clock::now();
      ERGO_RETURN_IF_ERROR(RunOnce());
      ns.push_back(
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
    } while (SecondsSince(begin) < seconds);
    return Json{{"ns", ns}};
  }

  Result<Json> WriteOutputs(const std::string& folder) {
    ERGO_RETURN_IF_ERROR(RunOnce());
    Json names = Json::array();
    for (size_t i = 0; i < outputs_.size(); ++i) {
      ERGO_RETURN_IF_ERROR(WriteNpy(folder + "/" + std::to_string(i) + ".npy", outputs_[i]));
      names.push_back(loaded_.model->Outputs()[i].name);
    }
    return Json{{"names", names}};
  }

  // Not getrusage's, which begins with what the parent had.
  static Result<Json> PeakMemory() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      int64_t kilobytes = 0;
      if (word == "VmHWM:" && status >> kilobytes) {
        return Json{{"peak_rss_bytes", kilobytes * 1024}};
      }
    }
    return NotFound("no VmHWM in /proc/self/status");
  }

  tool::LoadedModel loaded_;
  std::unique_ptr<Runner> runner_;
  Session* session_ = nullptr;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<TensorView> views_;
  std::vector<MutableTensorView> output_views_;
};

}  // namespace
}  // namespace ergo

int main() {
  ergo::Peer peer;
  for (std::string line; std::getline(std::cin, line);) {
    const nlohmann::json request = nlohmann::json::parse(line, nullptr, false);
    ergo::Result<nlohmann::json> answer =
        request.is_object() ? peer.Answer(request)
                            : ergo::Result<nlohmann::json>(ergo::InvalidArgument("no JSON object"));
    const nlohmann::json said = answer.ok() ? std::move(answer).value()
                                            : nlohmann::json{{"error", answer.status().ToString()}};
    std::cout << said.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  }
}
