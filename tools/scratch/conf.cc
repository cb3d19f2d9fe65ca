#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <algorithm>
#include "engine/passes/passes.h"
#include "engine/run/model.h"
#include "formats/onnx/onnx_reader.h"
#include "formats/onnx/tensor_proto.h"
#include "kernels/base/real_access.h"
using namespace ergo;
namespace fs = std::filesystem;
static std::string RunCase(const fs::path& dir, bool optimize, double rtol, double atol) {
  auto graph = ReadOnnx((dir / "model.onnx").string());
  if (!graph.ok()) return "read: " + graph.status().ToString();
  if (optimize) { auto r = Optimize(*graph); if (!r.ok()) return "optimize: " + r.status().ToString(); }
  auto model = Model::Create(std::move(*graph), {});
  if (!model.ok()) return "create: " + model.status().ToString();
  Runner runner(**model);
  for (int k = 0;; ++k) {
    fs::path set = dir / ("test_data_set_" + std::to_string(k));
    if (!fs::exists(set)) break;
    std::vector<Tensor> inputs; 
    for (size_t i = 0;; ++i) { fs::path p = set / ("input_" + std::to_string(i) + ".pb"); if (!fs::exists(p)) break;
      auto t = ReadTensorProto(p.string()); if (!t.ok()) return "input: " + t.status().ToString(); inputs.push_back(t->tensor); }
    std::vector<TensorView> views; for (auto& t : inputs) views.push_back(t.View());
    if (views.size() != (*model)->Inputs().size()) return "inputs: " + std::to_string(views.size()) + " given for " + std::to_string((*model)->Inputs().size());
    auto out = runner.Run(views);
    if (!out.ok()) return "run: " + out.status().ToString();
    for (size_t i = 0; i < out->size(); ++i) { fs::path p = set / ("output_" + std::to_string(i) + ".pb"); if (!fs::exists(p)) break;
      auto t = ReadTensorProto(p.string()); if (!t.ok()) return "output: " + t.status().ToString();
      const Tensor& e = t->tensor; const Tensor& g = (*out)[i];
      if (e.Type() != g.Type()) return "dtype differs";
      if (!(e.GetShape() == g.GetShape())) return "shape " + g.GetShape().ToString() + " expected " + e.GetShape().ToString();
      if (!HasRealAccess(e.Type())) { if (std::memcmp(e.Data(), g.Data(), (size_t)e.Bytes()) != 0) return "bytes differ"; continue; }
      double r = rtol, a = atol; if (e.Type()==DType::kF16) r=std::max(r,2e-3); if (e.Type()==DType::kBF16) r=std::max(r,2e-2);
      bool flt = IsFloatingPoint(e.Type());
      for (int64_t j = 0; j < e.Elements(); ++j) { double x = ReadReal(e.View(), j), y = ReadReal(g.View(), j);
        if (std::isnan(x) && std::isnan(y)) continue; if (x == y) continue;
        if (!flt || !(std::fabs(x - y) <= a + r * std::fabs(x))) return "value " + std::to_string(j) + ": " + std::to_string(y) + " expected " + std::to_string(x) + " (output " + std::to_string(i) + ")"; }
    }
  }
  return "";
}
int main(int argc, char** argv) {
  bool optimize = std::getenv("NOOPT") == nullptr; int pass = 0, fail = 0; std::map<std::string,int> reasons;
  std::vector<fs::path> dirs;
  for (int i = 1; i < argc; ++i) { if (fs::exists(fs::path(argv[i]) / "model.onnx")) dirs.push_back(argv[i]); else for (auto& e : fs::directory_iterator(argv[i])) if (fs::exists(e.path() / "model.onnx")) dirs.push_back(e.path()); }
  std::sort(dirs.begin(), dirs.end());
  for (auto& d : dirs) { std::string r = RunCase(d, optimize, 1e-3, 1e-5); if (r.empty()) ++pass; else { ++fail; std::replace(r.begin(), r.end(), '\n', ' '); std::cout << "FAIL " << d.filename().string() << ": " << r.substr(0, 250) << std::endl; } }
  std::cout << pass << " passed, " << fail << " failed\n";
}
