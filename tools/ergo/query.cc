// ergo query: one inference, or what a server offers and how it is.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/real_access.h"
#include "server/client/client.h"
#include "tools/ergo/command.h"
#include "tools/ergo/input_tensors.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/report.h"
#include "tools/ergo/server_source.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr int64_t kShownValues = 8;

std::string FirstValues(const TensorView& view) {
  if (!HasRealAccess(view.dtype)) return "";
  std::string text;
  for (int64_t i = 0; i < std::min(view.Elements(), kShownValues); ++i) {
    text += fmt::format("{}{:.6g}", i == 0 ? "" : " ", ReadReal(view, i));
  }
  return text + (view.Elements() > kShownValues ? " ..." : "");
}

Json ValuesJson(const TensorView& view) {
  Json values = Json::array();
  for (int64_t i = 0; HasRealAccess(view.dtype) && i < view.Elements(); ++i) {
    const double value = ReadReal(view, i);
    values.push_back(std::isfinite(value) ? Json(value) : Json());
  }
  return values;
}

class Query final : public Command {
 public:
  void Define(CLI::App& app) override {
    DefineServerFlags(app, server_);
    app.add_option("--model", model_, "Which model to ask")->type_name("NAME");
    app.add_option("--version", version_, "Which version of it (0: the latest)");
    DefineInputFlags(app, inputs_);
    app.add_option("--deadline-us", deadline_us_, "Refuse to answer later than this")
        ->type_name("US");
    app.add_option("--output-dir", output_dir_, "Write the outputs as .npy files")
        ->type_name("FOLDER");
    auto* what = app.add_option_group("instead of an inference");
    what->add_flag("--list", list_, "List the models");
    what->add_flag("--metadata", metadata_, "Show a model's inputs and outputs (with --model)");
    what->add_flag("--health", health_, "Show whether the server is ready");
    what->add_flag("--stats", stats_, "Show the server's counters");
    what->add_flag("--ping", ping_, "Measure the time to the server and back");
    what->require_option(0, 1);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(client_, ConnectTo(server_));
    if (list_) return List();
    if (health_) return ShowHealth();
    if (stats_) return ShowStats();
    if (ping_) return ShowPing();
    if (model_.empty()) return InvalidArgument("--model: which model? --list shows what there is");
    ERGO_ASSIGN_OR_RETURN(const native::Metadata metadata, client_->GetMetadata(model_, version_));
    return metadata_ ? ShowMetadata(metadata) : Infer(metadata);
  }

 private:
  Result<ExitCode> List() {
    ERGO_ASSIGN_OR_RETURN(const auto models, client_->ListModels());
    tool::Json document = {{"models", tool::Json::array()}};
    Table table;
    table.Column("model");
    table.Column("version", Table::Align::kRight);
    for (const native::ModelListEntry& entry : models) {
      document["models"].push_back({{"name", entry.name}, {"version", entry.version}});
      table.Row({entry.name, std::to_string(entry.version)});
    }
    return Show(document, table.ToString());
  }

  Result<ExitCode> ShowHealth() {
    ERGO_ASSIGN_OR_RETURN(const native::Health health, client_->GetHealth());
    const bool ready = health.state == native::HealthState::kReady;
    const double uptime_us = static_cast<double>(health.uptime_ns) / 1e3;
    const tool::Json document = {{"state", ready ? "ready" : "draining"},
                                 {"models", health.models},
                                 {"connections", health.connections},
                                 {"requests_in_flight", health.requests_in_flight},
                                 {"uptime_s", uptime_us / 1e6}};
    ERGO_RETURN_IF_ERROR(
        Show(document, fmt::format("{}: {} models, {} connections, {} requests in flight, up {}\n",
                                   ready ? "ready" : "draining", health.models, health.connections,
                                   health.requests_in_flight, DurationText(uptime_us)))
            .status());
    return ready ? kExitOk : kExitFailed;
  }

  Result<ExitCode> ShowStats() {
    ERGO_ASSIGN_OR_RETURN(const auto figures, client_->GetStats());
    tool::Json document = tool::Json::object();
    Table table;
    table.Column("figure");
    table.Column("value", Table::Align::kRight);
    for (const native::Figure& figure : figures) {
      if (figure.kind != native::FigureKind::kHistogram) {
        const uint64_t value = figure.values.empty() ? 0 : figure.values[0];
        document[figure.name] = value;
        table.Row({figure.name, std::to_string(value)});
        continue;
      }
      document[figure.name] = figure.values;
      const uint64_t count = figure.values.size() > 1 ? figure.values[0] : 0;
      table.Row({figure.name, count == 0 ? "no samples"
                                         : fmt::format("{} samples, mean {}", count,
                                                       static_cast<double>(figure.values[1]) /
                                                           static_cast<double>(count))});
    }
    return Show(document, table.ToString());
  }

  Result<ExitCode> ShowPing() {
    ERGO_ASSIGN_OR_RETURN(const int64_t ns, client_->Ping());
    const double us = static_cast<double>(ns) / 1e3;
    return Show({{"round_trip_us", us}}, fmt::format("{}\n", DurationText(us)));
  }

  Result<ExitCode> ShowMetadata(const native::Metadata& metadata) {
    tool::Json document = {{"model", metadata.model}, {"version", metadata.model_version}};
    Table table;
    for (const char* header : {"", "name", "dtype", "shape"}) table.Column(header);
    const auto add = [&](const char* kind, const std::vector<native::PortInfo>& ports) {
      document[kind] = tool::Json::array();
      for (const native::PortInfo& port : ports) {
        document[kind].push_back({{"name", port.name},
                                  {"dtype", DTypeName(port.dtype)},
                                  {"shape", port.shape.ToString()}});
        table.Row({kind, port.name, std::string(DTypeName(port.dtype)), port.shape.ToString()});
      }
    };
    add("inputs", metadata.inputs);
    add("outputs", metadata.outputs);
    return Show(document, fmt::format("{} version {}\n{}", Printable(metadata.model),
                                      metadata.model_version, table.ToString()));
  }

  Result<ExitCode> Infer(const native::Metadata& metadata) {
    const std::vector<Model::Port> ports = PortsOf(metadata);
    ERGO_ASSIGN_OR_RETURN(const GatheredInputs gathered, GatherInputs(ports, inputs_));
    std::vector<InferTensor> tensors;
    for (size_t i = 0; i < ports.size(); ++i) {
      tensors.push_back({ports[i].name, gathered.tensors[i].View()});
    }
    InferRequest request;
    request.model = model_;
    request.version = version_;
    request.inputs = tensors;
    request.deadline_us = deadline_us_;
    ERGO_ASSIGN_OR_RETURN(const InferResult result, client_->Infer(request));
    if (!output_dir_.empty()) {
      std::vector<OutputTensor> outputs;
      for (const InferTensor& output : result.outputs) {
        outputs.push_back({std::string(output.name), output.view});
      }
      ERGO_RETURN_IF_ERROR(WriteOutputs(output_dir_, outputs));
    }
    return ShowResult(result, gathered);
  }

  Result<ExitCode> ShowResult(const InferResult& result, const GatheredInputs& gathered) {
    const double queue_us = static_cast<double>(result.queue_ns) / 1e3;
    const double compute_us = static_cast<double>(result.compute_ns) / 1e3;
    tool::Json document = {{"model", model_},
                           {"version", result.model_version},
                           {"queue_us", queue_us},
                           {"compute_us", compute_us},
                           {"batch", result.batch_size},
                           {"energy", JoulesJson(result.joules)}};
    Table table;
    for (const char* header : {"output", "dtype", "shape", "values"}) table.Column(header);
    for (const InferTensor& output : result.outputs) {
      table.Row({std::string(output.name), std::string(DTypeName(output.view.dtype)),
                 output.view.shape.ToString(), FirstValues(output.view)});
      if (!Json()) continue;
      document["outputs"].push_back({{"name", output.name},
                                     {"dtype", DTypeName(output.view.dtype)},
                                     {"shape", ShapeJson(output.view.shape)},
                                     {"values", ValuesJson(output.view)}});
    }
    std::string text;
    for (const std::string& assumed : gathered.assumed)
      text += fmt::format("assumed {}\n", assumed);
    text += table.ToString();
    text += fmt::format("queue {}, compute {}, energy {}\n", DurationText(queue_us),
                        DurationText(compute_us), result.joules.ToString());
    return Show(document, text);
  }

  Result<ExitCode> Show(const tool::Json& document, const std::string& text) const {
    if (Json()) {
      PrintJson(document);
    } else {
      PrintText(text);
    }
    ERGO_RETURN_IF_ERROR(FlushReport());
    return kExitOk;
  }

  ServerFlags server_;
  std::string model_;
  uint32_t version_ = 0;
  InputFlags inputs_;
  uint64_t deadline_us_ = 0;
  std::string output_dir_;
  bool list_ = false, metadata_ = false, health_ = false, stats_ = false, ping_ = false;
  std::unique_ptr<Client> client_;
};

}  // namespace

std::unique_ptr<Command> MakeQuery() {
  return std::make_unique<Query>();
}

}  // namespace ergo::tool
