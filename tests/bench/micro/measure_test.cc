#include "bench/micro/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/micro/report.h"
#include "kernels/base/function_kernel.h"

namespace ergo::micro {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A family of its own: adds `addend` to each element.
struct ToyProblem {
  float addend = 1;
};
KernelCost CostOf(const ToyProblem&) {
  return {1000, 4000, 4000};
}

std::unique_ptr<Kernel> Adder(float addend, int64_t count) {
  return MakeFunctionKernel([addend, count](const KernelArgs& args) {
    for (int64_t i = 0; i < count; ++i) {
      args.outputs[0].As<float>()[i] = args.inputs[0].As<float>()[i] + addend;
    }
  });
}

constexpr int64_t kCount = 1000;
MadeKernel MakeRight(const ToyProblem& p, const MakeContext&) {
  return Adder(p.addend, kCount);
}
MadeKernel MakeWrong(const ToyProblem& p, const MakeContext&) {
  return Adder(p.addend + 0.5f, kCount);
}
MadeKernel MakeLazy(const ToyProblem& p, const MakeContext&) {
  return Adder(p.addend, kCount - 1);  // forgets the last one
}
MadeKernel MakeDecliner(const ToyProblem&, const MakeContext&) {
  return Unsupported("not on Sundays");
}

constexpr KernelVariant<ToyProblem> Variant(std::string_view name,
                                            MadeKernel (*make)(const ToyProblem&,
                                                               const MakeContext&)) {
  return {{"toy", name, Device::kCpu, "f32", "", ""}, make};
}

std::unique_ptr<ProblemCase<ToyProblem>> ToyCase(
    std::span<const KernelVariant<ToyProblem>> variants) {
  auto made = std::make_unique<ProblemCase<ToyProblem>>(variants);
  made->label = "toy";
  made->AddInput(kCount);
  made->AddOutput(DType::kF32, kCount);
  return made;
}

const MeasureOptions kQuick = {"", 3, 1e-5, false};

TEST(MeasureTest, TimesVariantsThatAgreeAndSaysWhyOthersDecline) {
  static constexpr KernelVariant<ToyProblem> kVariants[] = {
      Variant("fast", MakeRight), Variant("shy", MakeDecliner), Variant("reference", MakeRight)};
  auto toy = ToyCase(kVariants);
  SerialFor serial;
  const auto results = Measure(*toy, serial, kQuick);
  ASSERT_THAT(results, SizeIs(3));
  EXPECT_FALSE(HasMismatch(results));
  EXPECT_TRUE(results[0].checked);
  EXPECT_THAT(results[0].seconds, SizeIs(3));
  EXPECT_GT(results[0].MinSeconds(), 0);
  EXPECT_GE(results[0].MedianSeconds(), results[0].MinSeconds());
  EXPECT_EQ(results[1].declined, "not on Sundays");
  EXPECT_THAT(results[1].seconds, IsEmpty());
  EXPECT_THAT(results[2].seconds, IsEmpty()) << "the reference is timed only on request";

  MeasureOptions options = kQuick;
  options.variant = "reference";
  const auto only = Measure(*toy, serial, options);
  EXPECT_THAT(only[0].seconds, IsEmpty());
  EXPECT_THAT(only[2].seconds, SizeIs(3));
}

TEST(MeasureTest, FindsWrongAndMissingElements) {
  static constexpr KernelVariant<ToyProblem> kWrong[] = {Variant("wrong", MakeWrong),
                                                         Variant("reference", MakeRight)};
  static constexpr KernelVariant<ToyProblem> kLazy[] = {Variant("lazy", MakeLazy),
                                                        Variant("reference", MakeRight)};
  SerialFor serial;
  auto wrong = ToyCase(kWrong);
  auto results = Measure(*wrong, serial, kQuick);
  EXPECT_TRUE(HasMismatch(results));
  EXPECT_FALSE(results[0].checked);
  EXPECT_THAT(results[0].mismatch, HasSubstr("output 0 element 0"));
  EXPECT_THAT(results[0].seconds, IsEmpty()) << "what is wrong is not timed";

  wrong->tolerance = [](int64_t, double) { return 0.6; };
  EXPECT_FALSE(HasMismatch(Measure(*wrong, serial, kQuick)));

  auto lazy = ToyCase(kLazy);
  lazy->tolerance = [](int64_t, double) { return 1e30; };
  results = Measure(*lazy, serial, kQuick);
  EXPECT_THAT(results[0].mismatch, HasSubstr("output 0 element 999"));
}

TEST(MeasureTest, EveryProblemOfEveryFamilyIsWellFormed) {
  for (const Family* family : AllFamilies()) {
    EXPECT_EQ(FindFamily(family->name), family);
    EXPECT_FALSE(family->typical.empty());
    for (const std::string_view shape : family->smoke) {
      const MadeCase made = MakeCase(*family, shape);
      EXPECT_TRUE(made.ok()) << made.status().ToString();
    }
  }
  EXPECT_EQ(FindFamily("nonsense"), nullptr);
}

TEST(ReportTest, ComparesWithOneDnnAndTheRoofline) {
  SerialFor serial;
  Roofline roofline(serial, 1e-4);
  ASSERT_GT(roofline.PeakGflops(), 0);
  VariantResult ours, onednn;
  ours.info = {"toy", "fast", Device::kCpu, "", "", ""};
  onednn.info = {"toy", "onednn", Device::kCpu, "", "", ""};
  ours.seconds = {2e-6, 1e-6, 3e-6};
  onednn.seconds = {4e-6, 4e-6, 5e-6};
  static constexpr KernelVariant<ToyProblem> kVariants[] = {Variant("reference", MakeRight)};
  auto toy = ToyCase(kVariants);
  const nlohmann::json json = CaseJson(*AllFamilies().front(), *toy, {ours, onednn}, roofline);
  const auto& variant = json["variants"][0];
  EXPECT_DOUBLE_EQ(variant["median_us"].get<double>(), 2);
  EXPECT_DOUBLE_EQ(variant["mad_us"].get<double>(), 1);
  EXPECT_DOUBLE_EQ(variant["min_us"].get<double>(), 1);
  EXPECT_DOUBLE_EQ(variant["gflops"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(variant["gbps"].get<double>(), 4);
  EXPECT_DOUBLE_EQ(variant["onednn_ratio"].get<double>(), 2);
  EXPECT_NEAR(variant["roofline_share"].get<double>(),
              roofline.LeastSeconds({1000, 4000, 4000}, false) / 2e-6, 1e-9);
  const std::string text = CaseText(*AllFamilies().front(), *toy, {ours, onednn}, roofline);
  EXPECT_THAT(text, HasSubstr("2.00x"));
}

}  // namespace
}  // namespace ergo::micro
