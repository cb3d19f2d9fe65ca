#include "bench/micro/report.h"

#include <algorithm>
#include <fstream>

#include "build_info.h"
#include "kernels/base/simd_targets.h"

namespace ergo::micro {
namespace {

std::string CpuModel() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// Median time of oneDNN's variant, or 0.
double OneDnnSeconds(const std::vector<VariantResult>& results) {
  for (const VariantResult& result : results) {
    if (result.info.variant == "onednn" && !result.seconds.empty()) return result.MedianSeconds();
  }
  return 0;
}

// What one variant did, in the units of the table.
struct Figures {
  double gflops = 0, gbps = 0;
  double roofline_share = 0;  // least time / time
  double onednn_ratio = 0;    // oneDNN's time / time; 0 without
};

Figures FiguresOf(const KernelCost& cost, double seconds, double onednn_seconds, Roofline& roofline,
                  bool integer) {
  Figures figures;
  figures.gflops = static_cast<double>(cost.flops) * 1e-9 / seconds;
  figures.gbps = static_cast<double>(cost.bytes_read + cost.bytes_written) * 1e-9 / seconds;
  figures.roofline_share = roofline.LeastSeconds(cost, integer) / seconds;
  figures.onednn_ratio = onednn_seconds / seconds;
  return figures;
}

std::string Note(const VariantResult& result) {
  if (!result.declined.empty()) return result.declined;
  if (!result.mismatch.empty()) return "WRONG: " + result.mismatch;
  if (result.seconds.empty()) return "right, not timed";
  return "";
}

}  // namespace

nlohmann::json ContextJson(int threads, Roofline& roofline, const std::vector<TargetPeak>& peaks) {
  nlohmann::json context = {
      {"cpu", CpuModel()},
      {"threads", threads},
      {"target", ActiveSimdTarget().name},
      {"commit", ERGO_BUILD_COMMIT},
      {"build_type", ERGO_BUILD_TYPE},
      {"compiler", ERGO_BUILD_COMPILER},
      {"fma_peak_gflops", roofline.PeakGflops()},
      {"byte_peak_gops", roofline.PeakByteGops()},
      {"memory_read_gbps", roofline.MemoryGbps()},
      {"fork_join_us", roofline.ForkJoinUs()},
  };
  for (const TargetPeak& peak : peaks) {
    context["fma_peak_gflops_1_thread"][peak.target] = peak.gflops;
  }
  return context;
}

std::string ContextText(const nlohmann::json& context) {
  std::string text = fmt::format(
      "{}, {} thread{}, target {}, {} {}, commit {}\n", context["cpu"].get<std::string>(),
      context["threads"].get<int>(), context["threads"].get<int>() == 1 ? "" : "s",
      context["target"].get<std::string>(), context["compiler"].get<std::string>(),
      context["build_type"].get<std::string>(), context["commit"].get<std::string>());
  text += "multiply-adds from registers, one thread:";
  for (const auto& [target, gflops] : context["fma_peak_gflops_1_thread"].items()) {
    text += fmt::format(" {} {:.1f}", target, gflops.get<double>());
  }
  text += fmt::format(" GFLOP/s; products of bytes, all threads: {:.1f} GOP/s",
                      context["byte_peak_gops"].get<double>());
  text +=
      fmt::format("; reads from memory: {:.1f} GB/s; fork and join: {:.2f} us\n",
                  context["memory_read_gbps"].get<double>(), context["fork_join_us"].get<double>());
  return text;
}

nlohmann::json CaseJson(const Family& family, const Case& problem,
                        const std::vector<VariantResult>& results, Roofline& roofline) {
  const KernelCost cost = problem.Cost();
  const int64_t bytes = cost.bytes_read + cost.bytes_written;
  const double onednn = OneDnnSeconds(results);
  nlohmann::json variants = nlohmann::json::array();
  for (const VariantResult& result : results) {
    nlohmann::json variant = {
        {"variant", result.info.variant}, {"checked", result.checked}, {"note", Note(result)}};
    if (!result.seconds.empty()) {
      const double median = result.MedianSeconds();
      const Figures figures = FiguresOf(cost, median, onednn, roofline, problem.integer);
      std::vector<double> samples_us;
      for (const double value : result.seconds) samples_us.push_back(value * 1e6);
      variant["samples_us"] = samples_us;
      variant["median_us"] = median * 1e6;
      variant["min_us"] = result.MinSeconds() * 1e6;
      variant["mad_us"] = result.MadSeconds() * 1e6;
      variant["gflops"] = figures.gflops;
      variant["gbps"] = figures.gbps;
      variant["roofline_share"] = figures.roofline_share;
      if (onednn > 0) variant["onednn_ratio"] = figures.onednn_ratio;
      variant["workspace_bytes"] = result.workspace_bytes;
    }
    variants.push_back(std::move(variant));
  }
  return {{"kernel", family.name},
          {"shape", problem.label},
          {"flops", cost.flops},
          {"bytes", bytes},
          {"read_gbps_at_this_size", roofline.BandwidthGbps(bytes)},
          {"least_us", roofline.LeastSeconds(cost, problem.integer) * 1e6},
          {"variants", variants}};
}

std::string CaseText(const Family& family, const Case& problem,
                     const std::vector<VariantResult>& results, Roofline& roofline) {
  const KernelCost cost = problem.Cost();
  const int64_t bytes = cost.bytes_read + cost.bytes_written;
  const double onednn = OneDnnSeconds(results);
  std::string text = fmt::format(
      "\n{} {}: {:.4g} MFLOP, {:.4g} MB (read at {:.1f} GB/s when hot), at least {:.1f} us\n",
      family.name, problem.label, static_cast<double>(cost.flops) * 1e-6,
      static_cast<double>(bytes) * 1e-6, roofline.BandwidthGbps(bytes),
      roofline.LeastSeconds(cost, problem.integer) * 1e6);
  text += fmt::format("  {:<16}{:>12}{:>11}{:>9}{:>9}{:>9}{:>10}{:>11}\n", "variant", "median us",
                      "min", "mad", "GFLOP/s", "GB/s", "roofline", "vs onednn");
  for (const VariantResult& result : results) {
    if (result.seconds.empty()) {
      text += fmt::format("  {:<16}  {}\n", result.info.variant, Note(result));
      continue;
    }
    const double median = result.MedianSeconds();
    const Figures figures = FiguresOf(cost, median, onednn, roofline, problem.integer);
    text += fmt::format("  {:<16}{:>12.2f}{:>11.2f}{:>9.2f}{:>9.1f}{:>9.1f}{:>9.0f}%{:>11}\n",
                        result.info.variant, median * 1e6, result.MinSeconds() * 1e6,
                        result.MadSeconds() * 1e6, figures.gflops, figures.gbps,
                        figures.roofline_share * 100,
                        onednn > 0 ? fmt::format("{:.2f}x", figures.onednn_ratio) : "-");
  }
  return text;
}

}  // namespace ergo::micro
