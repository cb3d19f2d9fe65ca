// 5,000 model files with flipped bytes, made from the cases of the ONNX project: each is imported,
// optimized, planned and run in a child process with little memory, and each ends in an error or in
// a run, none in a crash, and none late.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/run/model.h"
#include "formats/onnx/onnx.pb.h"
#include "formats/onnx/onnx_reader.h"
#include "formats/onnx/wire_scan.h"
#include "tests/formats/temp_folder.h"
#include "tools/ergo/test_data.h"

namespace ergo {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr int kMutants = 5000;
constexpr int kMaxFlips = 8;
constexpr int kMaxAttempts = 64;
constexpr int64_t kMaxMemoryBytes = int64_t{1} << 30;
constexpr double kMaxSeconds = 5;
// The address space of a child: code, stacks and what the allocator keeps come on top of a model.
constexpr rlim_t kAddressSpaceBytes = rlim_t{2} << 30;
// A child that is silent for longer has hung: three stages of kMaxSeconds each, on a machine that
// does other things besides.
constexpr int kHangSeconds = 60;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kShadowMemory = true;  // more address space than any limit
#else
constexpr bool kShadowMemory = false;
#endif

// Shared by the children and the parent that watches them.
struct Progress {
  std::atomic<int> current;
  std::atomic<int> parsed, planned, ran;  // how far they came
};

// The folder of the unpacked cases; "" where the archive does not lie beside the checkout.
std::string Unpack(const std::string& into) {
  const char* source = std::getenv("ERGO_SOURCE_DIR");
  if (source == nullptr) return "";
  const fs::path archive =
      fs::path(source) / ".." / "shared" / "conformance" / "onnx-node-visible.tar.xz";
  if (!fs::exists(archive)) return "";
  const std::string command =
      fmt::format("tar xJf '{}' -C '{}' --exclude=light", archive.string(), into);
  return std::system(command.c_str()) == 0 ? into : "";
}

std::vector<fs::path> CasesBelow(const std::string& folder) {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == "model.onnx") cases.push_back(entry.path().parent_path());
  }
  std::ranges::sort(cases);
  return cases;
}

void Flip(std::string& bytes, std::mt19937_64& random) {
  char& byte = bytes[random() % bytes.size()];
  // Either one bit, or any value.
  const uint64_t draw = random();
  byte = static_cast<char>((draw & 1) != 0 ? byte ^ (1 << (draw >> 8) % 8) : draw >> 8);
}

// Most flips make a file that is no protobuf message any more, and ends in the first check of all.
// So three of four mutants are drawn again until they are one.
std::string Mutated(const std::string& bytes, int number) {
  std::mt19937_64 random(static_cast<uint64_t>(number));
  const bool any = random() % 4 == 0;
  const uint64_t flips = random() % 2 == 0 ? 1 + random() % kMaxFlips : 1;
  std::string mutant;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    mutant = bytes;
    for (uint64_t i = 0; i < flips; ++i) Flip(mutant, random);
    const auto scanned =
        onnx::ScanWire(std::as_bytes(std::span(mutant)), *onnx::ModelProto::descriptor());
    if (any || (scanned.ok() && mutant != bytes)) break;
  }
  return mutant;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Status RunMutant(const fs::path& path, int number, Progress& progress) {
  const ResourceLimits limits{kMaxMemoryBytes, kMaxSeconds};
  const std::string bytes = Mutated(ReadFile(path / "model.onnx"), number);
  OnnxReadOptions read;
  read.budget = Budget(limits);
  ERGO_ASSIGN_OR_RETURN(Graph graph, ParseOnnx(std::as_bytes(std::span(bytes)), read));
  ++progress.parsed;
  ERGO_RETURN_IF_ERROR(OptimizeOnLoad(graph, read.budget));
  ModelOptions options;
  options.limits = limits;
  ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model,
                        Model::Create(std::move(graph), options));
  ERGO_ASSIGN_OR_RETURN(const auto sets, tool::ReadTestData(path.string()));
  ERGO_ASSIGN_OR_RETURN(const auto inputs, tool::MatchToPorts(sets[0].inputs, model->Inputs()));
  std::vector<TensorView> views;
  std::vector<Shape> shapes;
  for (const Tensor* input : inputs) {
    views.push_back(input->View());
    shapes.push_back(input->GetShape());
  }
  ERGO_RETURN_IF_ERROR(model->PlanFor(shapes).status());
  ++progress.planned;
  Runner runner(*model);
  ERGO_RETURN_IF_ERROR(runner.Run(views).status());
  ++progress.ran;
  return {};
}

// Runs the mutants from `first` on until the last, or until one of them ends the process.
[[noreturn]] void RunChild(const std::vector<fs::path>& cases, int first, Progress& progress) {
  if (!kShadowMemory) {
    const rlimit limit{kAddressSpaceBytes, kAddressSpaceBytes};
    setrlimit(RLIMIT_AS, &limit);
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (int number = first; number < kMutants; ++number) {
    progress.current = number;
    const fs::path& path = cases[static_cast<size_t>(number) % cases.size()];
    static_cast<void>(RunMutant(path, number, progress));
  }
  progress.current = kMutants;
  _exit(0);
}

// How the child ended: "" when it came to the end.
std::string Watch(pid_t child, const Progress& progress) {
  int seen = -1;
  auto since = steady_clock::now();
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (progress.current != seen) {
      seen = progress.current;
      since = steady_clock::now();
    } else if (steady_clock::now() - since > std::chrono::seconds(kHangSeconds)) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return fmt::format("not done after {} s", kHangSeconds);
    }
  }
  if (WIFSIGNALED(status)) return fmt::format("signal {}", strsignal(WTERMSIG(status)));
  return WEXITSTATUS(status) == 0 ? "" : fmt::format("exit code {}", WEXITSTATUS(status));
}

TEST(Mutation, EveryDamagedModelEndsInAnErrorOrARun) {
  const TempFolder folder;
  const std::string root = Unpack(folder.Path());
  if (root.empty()) GTEST_SKIP() << "the conformance cases do not lie beside the checkout";
  const std::vector<fs::path> cases = CasesBelow(root);
  ASSERT_FALSE(cases.empty());
  void* shared =
      mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& progress = *new (shared) Progress{};
  while (progress.current < kMutants) {
    const int first = progress.current;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) RunChild(cases, first, progress);
    const std::string end = Watch(child, progress);
    if (end.empty()) continue;
    const int number = progress.current;
    ADD_FAILURE() << cases[static_cast<size_t>(number) % cases.size()].filename() << ", seed "
                  << number << ": " << end;
    progress.current = number + 1;
  }
  std::printf("%d mutants of %zu cases: %d are models, %d can be planned, %d run\n", kMutants,
              cases.size(), progress.parsed.load(), progress.planned.load(), progress.ran.load());
  // The test would be worth little if damage never came further than the parser.
  EXPECT_GT(progress.parsed, kMutants / 3);
  EXPECT_GT(progress.planned, kMutants / 5);
  EXPECT_LT(progress.ran, kMutants);
}

}  // namespace
}  // namespace ergo
