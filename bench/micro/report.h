// What a run of ergo_micro says: tables for people, one JSON document for machines.
#ifndef ERGO_BENCH_MICRO_REPORT_H_
#define ERGO_BENCH_MICRO_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/micro/measure.h"
#include "bench/micro/roofline.h"

namespace ergo::micro {

// Machine and build, and the limits measured.
nlohmann::json ContextJson(int threads, Roofline& roofline, const std::vector<TargetPeak>& peaks);
std::string ContextText(const nlohmann::json& context);

nlohmann::json CaseJson(const Family& family, const Case& problem,
                        const std::vector<VariantResult>& results, Roofline& roofline);
// A table, one line a variant.
std::string CaseText(const Family& family, const Case& problem,
                     const std::vector<VariantResult>& results, Roofline& roofline);

}  // namespace ergo::micro

#endif  // ERGO_BENCH_MICRO_REPORT_H_
