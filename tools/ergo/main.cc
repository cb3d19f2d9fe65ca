// ergo: compiles ONNX models, runs and measures them, and serves them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/ergo/command.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr const char* kVersion = "ergo 0.1.0";

// Messages may list several things, a line each; what they quote comes from files and servers.
std::string PrintableLines(std::string_view text) {
  std::string lines;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines += Printable(text.substr(0, end)) + "\n";
    text.remove_prefix(end + 1);
  }
  return lines + Printable(text);
}

int Report(const char* name, const Command& command, const Status& status) {
  fmt::print(stderr, "ergo {}: {} ({})\n", name, PrintableLines(status.message()),
             StatusCodeName(status.code()));
  if (command.Json()) {
    PrintJson(
        {{"error", {{"code", StatusCodeName(status.code())}, {"message", status.message()}}}});
  }
  return ExitCodeFor(status.code());
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Compiles ONNX models, runs and measures them, and serves them.\n"
      "Exit codes: 0 done, 1 the answer is no or the machine would not, 2 wrong usage or "
      "input."};
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.footer(
      "`ergo COMMAND --help` shows a command's options and an example.\n"
      "Environment: ERGO_KERNEL and ERGO_SIMD_TARGET are defaults of --kernel and --simd.");
  struct Entry {
    const CommandInfo* info;
    CLI::App* app;
    std::unique_ptr<Command> command;
  };
  std::vector<Entry> entries;
  for (const CommandInfo& info : AllCommands()) {
    CLI::App* sub = app.add_subcommand(info.name, info.summary);
    sub->footer(std::string("Example:\n") + info.example);
    entries.push_back({&info, sub, info.make()});
    entries.back().command->Define(*sub);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  for (Entry& entry : entries) {
    if (!entry.app->parsed()) continue;
    const Result<ExitCode> done = entry.command->Run();
    if (!done.ok()) return Report(entry.info->name, *entry.command, done.status());
    const Status flushed = FlushReport();
    return flushed.ok() ? *done : Report(entry.info->name, *entry.command, flushed);
  }
  return kExitUsage;
}

}  // namespace
}  // namespace ergo::tool

int main(int argc, char** argv) {
  return ergo::tool::Main(argc, argv);
}
