#include "tools/ergo/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/ergo/report_page.h"

namespace ergo::tool {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHostile[] = {
    "</script><script>alert(1)</script>", "<!--", "]]>",      "\"};alert(1);//", "&lt;b&gt;",
    "\xe2\x80\xa8 line separator",        "a\0b", "\xff\xfe",
};

TEST(HtmlReport, NoNameEndsTheData) {
  for (const char* name : kHostile) {
    const std::string text = ScriptSafeJson({{"name", name}});
    for (const char* forbidden : {"<", ">", "&", "\xe2\x80\xa8"}) {
      EXPECT_THAT(text, Not(HasSubstr(forbidden)));
    }
    const Json back = Json::parse(text, nullptr, false);
    ASSERT_FALSE(back.is_discarded()) << text;
    if (std::string_view(name).front() != '\xff') {
      EXPECT_EQ(back["name"], name);
    }
  }
}

TEST(HtmlReport, ThePageHasOnePlaceForItsDataAndLoadsNothing) {
  const std::string_view page = kReportPage;
  const size_t place = page.find(kReportDataPlace);
  ASSERT_NE(place, std::string_view::npos);
  EXPECT_EQ(page.find(kReportDataPlace, place + 1), std::string_view::npos);
  for (const char* loading : {"src=", "href=", "@import", "url(", "fetch(", "innerHTML"}) {
    EXPECT_EQ(page.find(loading), std::string_view::npos) << loading;
  }
  EXPECT_THAT(std::string(page), HasSubstr("default-src 'none'"));
}

TEST(HtmlReport, ItHoldsEveryNodeAndItsPlace) {
  Graph graph;
  graph.inputs = {graph.AddValue("x", DType::kF32, Shape{3})};
  ValueId last = graph.inputs[0];
  for (const char* name : kHostile) {
    Node node;
    node.name = name;
    node.op = "Relu";
    node.opset = 17;
    node.inputs = {last};
    last = graph.AddValue(graph.UniqueName("v"));
    node.outputs = {last};
    graph.AddNode(std::move(node));
  }
  graph.outputs = {last};
  ModelProfile profile;
  profile.nodes.resize(static_cast<size_t>(graph.NodeCount()));
  profile.nodes[1].samples_us = {3, 1, 2};
  profile.joules.reason = "no meter";
  HtmlReport report;
  report.input = "<img>.onnx";
  report.graph = &graph;
  report.profile = &profile;
  const std::string page = RenderHtmlReport(report);
  const size_t begin = page.find("id=\"data\">") + 10;
  const Json data =
      Json::parse(page.substr(begin, page.find("</script>", begin) - begin), nullptr, false);
  ASSERT_FALSE(data.is_discarded());
  ASSERT_EQ(data["nodes"].size(), std::size(kHostile));
  EXPECT_EQ(data["nodes"][0]["name"], kHostile[0]);
  EXPECT_EQ(data["nodes"][1]["us"], 2);
  EXPECT_EQ(data["picture"]["boxes"].size(), std::size(kHostile) + 2);
  EXPECT_EQ(data["picture"]["edges"].size(), std::size(kHostile) + 1);
  EXPECT_EQ(data["energy"]["source"], "unavailable");
  EXPECT_FALSE(data["energy"].contains("joules"));
}

}  // namespace
}  // namespace ergo::tool
