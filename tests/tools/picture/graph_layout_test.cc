#include "tools/ergo/graph_layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace ergo::tool {
namespace {

// What every drawing keeps: edges point down, boxes of a layer stand apart, all is in the picture.
void Check(const std::vector<double>& widths, const std::vector<LayoutEdge>& edges,
           const Layout& layout) {
  ASSERT_EQ(layout.nodes.size(), widths.size());
  ASSERT_EQ(layout.edges.size(), edges.size());
  for (size_t e = 0; e < edges.size(); ++e) {
    double y = layout.nodes[edges[e].from].y;
    for (const Point& bend : layout.edges[e]) {
      EXPECT_GT(bend.y, y);
      y = bend.y;
    }
    EXPECT_GT(layout.nodes[edges[e].to].y, y);
  }
  for (size_t a = 0; a < widths.size(); ++a) {
    EXPECT_GE(layout.nodes[a].x - widths[a] / 2, -1e-6);
    EXPECT_LE(layout.nodes[a].x + widths[a] / 2, layout.width + 1e-6);
    EXPECT_LE(layout.nodes[a].y, layout.height);
    for (size_t b = a + 1; b < widths.size(); ++b) {
      if (layout.nodes[a].y != layout.nodes[b].y) continue;
      EXPECT_GE(std::abs(layout.nodes[a].x - layout.nodes[b].x) + 1e-6,
                (widths[a] + widths[b]) / 2 + LayoutOptions().node_gap);
    }
  }
}

TEST(GraphLayout, NothingAndOneNode) {
  EXPECT_TRUE(LayOutGraph({}, {}).nodes.empty());
  const Layout one = LayOutGraph({100}, {});
  EXPECT_DOUBLE_EQ(one.width, 100);
  EXPECT_DOUBLE_EQ(one.nodes[0].x, 50);
}

TEST(GraphLayout, AChainIsStraight) {
  const std::vector<double> widths = {60, 140, 80, 100};
  const std::vector<LayoutEdge> edges = {{0, 1}, {1, 2}, {2, 3}};
  const Layout layout = LayOutGraph(widths, edges);
  Check(widths, edges, layout);
  for (const Point& node : layout.nodes) EXPECT_NEAR(node.x, layout.nodes[0].x, 1e-6);
}

TEST(GraphLayout, ALongEdgeGoesAroundWhatItPasses) {
  const std::vector<double> widths(4, 100);
  const std::vector<LayoutEdge> edges = {{0, 1}, {1, 2}, {2, 3}, {0, 3}};
  const Layout layout = LayOutGraph(widths, edges);
  Check(widths, edges, layout);
  ASSERT_EQ(layout.edges[3].size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_GT(std::abs(layout.edges[3][i].x - layout.nodes[i + 1].x), 50);
  }
}

TEST(GraphLayout, BendsAreBounded) {
  LayoutOptions options;
  options.max_bends = 1;
  const Layout layout = LayOutGraph({9, 9, 9, 9}, {{0, 1}, {1, 2}, {2, 3}, {0, 3}}, options);
  EXPECT_TRUE(layout.edges[3].empty());
}

TEST(GraphLayout, RandomGraphs) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<double> widths;
    std::vector<LayoutEdge> edges;
    for (uint64_t i = 0; i < 1 + random() % 60; ++i) {
      widths.push_back(20 + static_cast<double>(random() % 200));
      for (uint64_t k = random() % 4; i > 0 && k > 0; --k) edges.push_back({random() % i, i});
    }
    Check(widths, edges, LayOutGraph(widths, edges));
  }
}

}  // namespace
}  // namespace ergo::tool
