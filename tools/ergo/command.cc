#include "tools/ergo/command.h"

#include <CLI/CLI.hpp>

namespace ergo::tool {
namespace {

constexpr CommandInfo kCommands[] = {
    {"convert", "Compile an ONNX model into one .ergo file",
     "  ergo convert resnet.onnx -o resnet.ergo\n"
     "  ergo convert bert.onnx -o bert.ergo --dim batch=1..8 --dim seq=16,32,64..512:64\n"
     "  ergo convert resnet.onnx -o resnet.ergo --verify random --bisect --report resnet.html\n"
     "  ergo convert huge.onnx -o huge.ergo --max-memory 4GiB --max-seconds 60",
     MakeConvert},
    {"tune", "Measure the kernels that each node can take and keep the fastest",
     "  ergo tune resnet.onnx -o resnet.ergo --threads 2\n"
     "  ergo tune bert.ergo -o bert.ergo --dim sequence=128",
     MakeTune},
    {"inspect", "Show a model's inputs, outputs, nodes, kernels and memory plan",
     "  ergo inspect resnet.onnx --dim batch=4\n"
     "  ergo inspect resnet.ergo --shape input=1,3,224,224 --json\n"
     "  ergo inspect resnet.ergo --explain    (why each step's other kernels declined)",
     MakeInspect},
    {"verify", "Compare a model's outputs with recorded ones, or with the reference kernels",
     "  ergo verify resnet.onnx --data resnet/    (holds test_data_set_0/input_0.pb ...)\n"
     "  ergo verify resnet.ergo --data random --bisect",
     MakeVerify},
    {"conformance", "Run a folder of cases in the layout of the ONNX backend tests",
     "  ergo conformance onnx/backend/test/data/node --ergo", MakeConformance},
    {"run", "Run a model once on arrays from files, or on random ones",
     "  ergo run digits.ergo --input image=seven.npy --output-dir out/\n"
     "  ergo run digits.ergo --random 1 --trace trace.json",
     MakeRun},
    {"bench", "Measure a model: latency, load time, GFLOP/s, memory, joules",
     "  ergo bench resnet.ergo --threads 4 --batch 8 --per-step 10", MakeBench},
    {"serve", "Serve models over TCP and Unix sockets",
     "  ergo serve digits.ergo resnet=models/resnet50.ergo --listen tcp://127.0.0.1:7077\n"
     "  ergo serve --models models/ --listen unix:///run/ergo.sock",
     MakeServe},
    {"query", "Ask a server: one inference, or what it serves and how it is",
     "  ergo query --server tcp://127.0.0.1:7077 --model digits --input image=seven.npy\n"
     "  ergo query --server tcp://127.0.0.1:7077 --list",
     MakeQuery},
    {"load", "Load a server and report latency, goodput and joules",
     "  ergo load --server tcp://127.0.0.1:7077 --model digits --connections 8 --in-flight 4\n"
     "  ergo load --server tcp://127.0.0.1:7077 --model digits --rate 2000 --arrivals poisson",
     MakeLoad},
};

}  // namespace

ExitCode ExitCodeFor(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return kExitOk;
    case StatusCode::kInvalidArgument:
    case StatusCode::kCorruptData:
    case StatusCode::kNotFound: return kExitUsage;
    default: return kExitFailed;
  }
}

void Command::DefineJson(CLI::App& app) {
  app.add_flag("--json", json_, "Print the report as one JSON document");
}

std::span<const CommandInfo> AllCommands() {
  return kCommands;
}

}  // namespace ergo::tool
