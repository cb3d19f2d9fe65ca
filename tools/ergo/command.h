// Command: one subcommand of `ergo`. Its options are members that Define binds to the command line;
// Run does the work, prints the report to standard output and returns the exit code.
//
// A command that fails returns a Status; main prints it to standard error as
// "ergo NAME: message (CODE)" and, under --json, as {"error": {...}} to standard output, so that
// whoever reads the JSON always finds a document there.
#ifndef ERGO_TOOLS_ERGO_COMMAND_H_
#define ERGO_TOOLS_ERGO_COMMAND_H_

#include <memory>
#include <span>

#include "kernels/base/status.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

// The exit codes of every subcommand.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,  // the work was done and the answer is no, or the machine would not do it
  kExitUsage = 2,   // the command line or an input file is wrong: the caller can mend it
};

// kExitUsage for what the caller's input caused, kExitFailed for the rest.
ExitCode ExitCodeFor(StatusCode code);

class Command {
 public:
  virtual ~Command() = default;

  // Adds the options to `app`, this command's own. Called once, before Run.
  virtual void Define(CLI::App& app) = 0;
  virtual Result<ExitCode> Run() = 0;

  bool Json() const { return json_; }

 protected:
  // --json; for the commands that report.
  void DefineJson(CLI::App& app);

 private:
  bool json_ = false;
};

struct CommandInfo {
  const char* name;
  const char* summary;
  const char* example;  // one or more lines, shown below --help
  std::unique_ptr<Command> (*make)();
};

// In the order in which --help lists them.
std::span<const CommandInfo> AllCommands();

std::unique_ptr<Command> MakeConvert();
std::unique_ptr<Command> MakeTune();
std::unique_ptr<Command> MakeInspect();
std::unique_ptr<Command> MakeVerify();
std::unique_ptr<Command> MakeConformance();
std::unique_ptr<Command> MakeRun();
std::unique_ptr<Command> MakeBench();
std::unique_ptr<Command> MakeServe();
std::unique_ptr<Command> MakeQuery();
std::unique_ptr<Command> MakeLoad();

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_COMMAND_H_
