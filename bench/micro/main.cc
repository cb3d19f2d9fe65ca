// ergo_micro: a kernel against its variants and the machine's limits, in one table.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "bench/micro/report.h"
#include "engine/run/thread_pool.h"
#include "kernels/base/simd_targets.h"

namespace ergo::micro {
namespace {

struct Options {
  std::string kernel;
  std::vector<std::string> shapes;
  MeasureOptions measure;
  int threads = 1;
  std::string target;
  std::string json;
  bool smoke = false;
};

std::string Footer() {
  std::string text = "Problems:\n";
  for (const Family* family : AllFamilies()) {
    text += fmt::format("  {:<11} {}\n", family->name, family->syntax);
  }
  return text +
         "\nExamples:\n"
         "  ergo_micro --kernel conv                     typical convolutions, all variants\n"
         "  ergo_micro --kernel conv --shape 64x56x56,m64,k3,p1,bias,relu\n"
         "  ergo_micro --kernel gemm --shape 256x256x256 --variant simd --target AVX2\n"
         "  ergo_micro --kernel pool --threads 2 --json pool.json\n\n"
         "roofline is the least time that the measured multiply-add rate and read rate (at the\n"
         "size of the operands, hot) allow, in percent of the time taken; 'vs onednn' is oneDNN's\n"
         "time divided by the variant's. Results are checked against the reference first: a wrong\n"
         "one is exit code 1.";
}

void Configure(CLI::App& app, Options& options) {
  std::vector<std::string> names;
  for (const Family* family : AllFamilies()) names.emplace_back(family->name);
  app.footer(Footer());
  app.add_option("--kernel", options.kernel, "Kernel family; all if absent")
      ->check(CLI::IsMember(names));
  app.add_option("--shape", options.shapes,
                 "Problem as written below; may be repeated. Typical ones if absent")
      ->delimiter('\0')
      ->needs("--kernel");
  app.add_option("--variant", options.measure.variant,
                 "Only this variant ('reference' is timed only when asked for)");
  app.add_option("--threads", options.threads, "Workers")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--target", options.target, "SIMD target, such as AVX2; the best if absent");
  app.add_option("--samples", options.measure.repetitions, "Samples a variant")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--sample-seconds", options.measure.min_seconds, "Least time of a sample")
      ->check(CLI::Range(1e-6, 60.0))
      ->capture_default_str();
  app.add_option("--json", options.json, "Also write everything to this file ('-': to stdout)");
  app.add_flag("--smoke", options.smoke, "Tiny problems, shortly: does everything still work?");
}

std::vector<std::string> ShapesOf(const Family& family, const Options& options) {
  if (!options.shapes.empty()) return options.shapes;
  const auto& shapes = options.smoke ? family.smoke : family.typical;
  return {shapes.begin(), shapes.end()};
}

bool HasVariant(const Case& problem, std::string_view name) {
  for (size_t i = 0; i < problem.VariantCount(); ++i) {
    if (problem.Variant(i).variant == name) return true;
  }
  return false;
}

// The families asked for, each with its problems ready to be set up.
Result<std::vector<std::pair<const Family*, std::string>>> Select(const Options& options) {
  std::vector<std::pair<const Family*, std::string>> selected;
  for (const Family* family : AllFamilies()) {
    if (!options.kernel.empty() && family->name != options.kernel) continue;
    for (const std::string& shape : ShapesOf(*family, options)) {
      // What is written wrong is found out before anything is measured.
      ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Case> made, MakeCase(*family, shape));
      const std::string& variant = options.measure.variant;
      if (!variant.empty() && !HasVariant(*made, variant)) {
        if (options.kernel.empty()) continue;
        return InvalidArgument("{} has no variant '{}'", family->name, variant);
      }
      selected.emplace_back(family, shape);
    }
  }
  return selected;
}

Status WriteJson(const std::string& path, const nlohmann::json& document) {
  if (path == "-") {
    std::cout << document.dump(2) << "\n";
    return {};
  }
  std::ofstream file(path);
  file << document.dump(2) << "\n";
  file.close();
  if (!file) return Error(StatusCode::kDeviceError, "cannot write '{}'", path);
  return {};
}

// True when every variant agreed with its reference.
Result<bool> Run(const Options& options) {
  if (!options.target.empty()) ERGO_RETURN_IF_ERROR(ForceSimdTarget(options.target));
  ChooseSimdTarget();
  ERGO_ASSIGN_OR_RETURN(const auto selected, Select(options));
  ThreadPool pool({.threads = options.threads, .spin_us = 50, .pin_cpus = {}});
  const double roofline_seconds = options.smoke ? 0.001 : 0.05;
  Roofline roofline(pool, roofline_seconds);
  const bool quiet = options.json == "-";
  nlohmann::json document;
  document["context"] = ContextJson(options.threads, roofline, MeasurePeaks(roofline_seconds / 2));
  document["cases"] = nlohmann::json::array();
  if (!quiet) std::cout << ContextText(document["context"]);
  bool right = true;
  for (const auto& [family, shape] : selected) {
    MadeCase made = MakeCase(*family, shape);
    if (!made.ok()) return std::move(made).status();
    Case& problem = **made;
    const std::vector<VariantResult> results = Measure(problem, pool, options.measure);
    right = right && !HasMismatch(results);
    document["cases"].push_back(CaseJson(*family, problem, results, roofline));
    if (!quiet) std::cout << CaseText(*family, problem, results, roofline) << std::flush;
  }
  if (!options.json.empty()) ERGO_RETURN_IF_ERROR(WriteJson(options.json, document));
  return right;
}

int Main(int argc, char** argv) {
  CLI::App app("Times the variants of a kernel side by side, beside the machine's limits.",
               "ergo_micro");
  Options options;
  Configure(app, options);
  CLI11_PARSE(app, argc, argv);
  if (options.smoke) {
    options.measure.repetitions = 2;
    options.measure.min_seconds = 1e-4;
    options.measure.time_reference = true;
  }
  const Result<bool> right = Run(options);
  if (!right.ok()) {
    std::cerr << "ergo_micro: " << right.status().ToString() << "\n";
    return 2;
  }
  if (!*right) std::cerr << "ergo_micro: a variant disagrees with the reference\n";
  return *right ? 0 : 1;
}

}  // namespace
}  // namespace ergo::micro

int main(int argc, char** argv) {
  return ergo::micro::Main(argc, argv);
}
