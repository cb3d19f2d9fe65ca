#include "tools/ergo/graph_layout.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/status.h"

namespace ergo::tool {
namespace {

constexpr int kOrderSweeps = 8;
constexpr int kPlaceSweeps = 6;
constexpr double kBendWidth = 8;

class Layering {
 public:
  Layering(const std::vector<double>& widths, const std::vector<LayoutEdge>& edges,
           const LayoutOptions& options)
      : options_(options), real_nodes_(widths.size()) {
    for (const double width : widths) AddVertex(width);
    AssignLayers(edges);
    for (const LayoutEdge& edge : edges) SplitEdge(edge);
  }

  Layout Run() {
    for (int sweep = 0; sweep < kOrderSweeps; ++sweep) OrderSweep(sweep % 2 == 0);
    for (std::vector<size_t>& layer : layers_) Pack(layer);
    for (int sweep = 0; sweep < kPlaceSweeps; ++sweep) PlaceSweep(sweep % 2 == 0);
    return Result();
  }

 private:
  struct Vertex {
    double width = 0, x = 0, rank = 0;  // rank: the place within its layer
    size_t layer = 0;
    std::vector<size_t> above, below;
  };

  size_t AddVertex(double width) {
    vertices_.push_back({});
    vertices_.back().width = width;
    return vertices_.size() - 1;
  }

  void Enter(size_t vertex, size_t layer) {
    if (layers_.size() <= layer) layers_.resize(layer + 1);
    vertices_[vertex].layer = layer;
    vertices_[vertex].rank = static_cast<double>(layers_[layer].size());
    layers_[layer].push_back(vertex);
  }

  void AssignLayers(const std::vector<LayoutEdge>& edges) {
    std::vector<std::vector<size_t>> successors(real_nodes_);
    for (const LayoutEdge& edge : edges) {
      ERGO_CHECK(edge.from < edge.to && edge.to < real_nodes_);
      successors[edge.from].push_back(edge.to);
    }
    std::vector<size_t> layer(real_nodes_, 0);
    for (size_t node = 0; node < real_nodes_; ++node) {
      for (const size_t next : successors[node])
        layer[next] = std::max(layer[next], layer[node] + 1);
    }
    // What nothing feeds stands right above its first reader instead of at the top.
    std::vector<bool> fed(real_nodes_, false);
    for (const LayoutEdge& edge : edges) fed[edge.to] = true;
    for (size_t node = 0; node < real_nodes_; ++node) {
      if (fed[node] || successors[node].empty()) continue;
      size_t lowest = layer[successors[node].front()];
      for (const size_t next : successors[node]) lowest = std::min(lowest, layer[next]);
      layer[node] = lowest - 1;
    }
    for (size_t node = 0; node < real_nodes_; ++node) Enter(node, layer[node]);
  }

  void Connect(size_t upper, size_t lower) {
    vertices_[upper].below.push_back(lower);
    vertices_[lower].above.push_back(upper);
  }

  void SplitEdge(const LayoutEdge& edge) {
    bends_.emplace_back();
    const size_t first = vertices_[edge.from].layer, last = vertices_[edge.to].layer;
    if (vertices_.size() - real_nodes_ + (last - first - 1) > options_.max_bends) return;
    size_t previous = edge.from;
    for (size_t layer = first + 1; layer < last; ++layer) {
      const size_t bend = AddVertex(kBendWidth);
      Enter(bend, layer);
      Connect(previous, bend);
      bends_.back().push_back(bend);
      previous = bend;
    }
    Connect(previous, edge.to);
  }

  static const std::vector<size_t>& Neighbours(const Vertex& vertex, bool down) {
    return down ? vertex.above : vertex.below;
  }

  // Calls fn for every layer, in the direction of the sweep.
  template <typename Fn>
  void ForLayers(bool down, Fn fn) {
    if (down) {
      std::ranges::for_each(layers_, fn);
    } else {
      std::for_each(layers_.rbegin(), layers_.rend(), fn);
    }
  }

  void OrderSweep(bool down) {
    ForLayers(down, [&](std::vector<size_t>& layer) {
      std::vector<std::pair<double, size_t>> keyed;
      for (const size_t id : layer) {
        const std::vector<size_t>& neighbours = Neighbours(vertices_[id], down);
        double sum = 0;
        for (const size_t other : neighbours) sum += vertices_[other].rank;
        keyed.emplace_back(
            neighbours.empty() ? vertices_[id].rank : sum / static_cast<double>(neighbours.size()),
            id);
      }
      std::ranges::stable_sort(keyed, {}, &std::pair<double, size_t>::first);
      for (size_t i = 0; i < layer.size(); ++i) {
        layer[i] = keyed[i].second;
        vertices_[layer[i]].rank = static_cast<double>(i);
      }
    });
  }

  double Distance(size_t left, size_t right) const {
    return (vertices_[left].width + vertices_[right].width) / 2 + options_.node_gap;
  }

  void Pack(const std::vector<size_t>& layer) {
    double x = 0;
    for (size_t i = 0; i < layer.size(); ++i) {
      if (i > 0) x += Distance(layer[i - 1], layer[i]);
      vertices_[layer[i]].x = x;
    }
    for (const size_t id : layer) vertices_[id].x -= x / 2;
  }

  void PlaceSweep(bool down) {
    ForLayers(down, [&](const std::vector<size_t>& layer) { Place(layer, down); });
  }

  // Without the distances between neighbours, what is left to decide is a sequence that does not
  // decrease: isotonic regression.
  void Place(const std::vector<size_t>& layer, bool down) {
    struct Pool {
      double sum;
      size_t count;
      double Mean() const { return sum / static_cast<double>(count); }
    };
    std::vector<Pool> pools;
    std::vector<double> offsets;
    double offset = 0;
    for (size_t i = 0; i < layer.size(); ++i) {
      if (i > 0) offset += Distance(layer[i - 1], layer[i]);
      offsets.push_back(offset);
      pools.push_back({Wanted(vertices_[layer[i]], down) - offset, 1});
      while (pools.size() > 1 && pools[pools.size() - 2].Mean() > pools.back().Mean()) {
        const Pool last = pools.back();
        pools.pop_back();
        pools.back() = {pools.back().sum + last.sum, pools.back().count + last.count};
      }
    }
    size_t i = 0;
    for (const Pool& pool : pools) {
      for (size_t k = 0; k < pool.count; ++k, ++i) {
        vertices_[layer[i]].x = pool.Mean() + offsets[i];
      }
    }
  }

  double Wanted(const Vertex& vertex, bool down) const {
    const std::vector<size_t>& neighbours = Neighbours(vertex, down);
    if (neighbours.empty()) return vertex.x;
    double sum = 0;
    for (const size_t other : neighbours) sum += vertices_[other].x;
    return sum / static_cast<double>(neighbours.size());
  }

  Layout Result() const {
    Layout layout;
    double left = 0, right = 0;
    for (const Vertex& vertex : vertices_) {
      left = std::min(left, vertex.x - vertex.width / 2);
      right = std::max(right, vertex.x + vertex.width / 2);
    }
    const auto point = [&](size_t id) {
      return Point{vertices_[id].x - left,
                   (static_cast<double>(vertices_[id].layer) + 0.5) * options_.layer_step};
    };
    for (size_t id = 0; id < real_nodes_; ++id) layout.nodes.push_back(point(id));
    for (const std::vector<size_t>& bends : bends_) {
      layout.edges.emplace_back();
      for (const size_t bend : bends) layout.edges.back().push_back(point(bend));
    }
    layout.width = right - left;
    layout.height = static_cast<double>(layers_.size()) * options_.layer_step;
    return layout;
  }

  const LayoutOptions& options_;
  const size_t real_nodes_;
  std::vector<Vertex> vertices_;  // the nodes, then the bends
  std::vector<std::vector<size_t>> layers_, bends_;
};

}  // namespace

Layout LayOutGraph(const std::vector<double>& node_widths, const std::vector<LayoutEdge>& edges,
                   const LayoutOptions& options) {
  return Layering(node_widths, edges, options).Run();
}

}  // namespace ergo::tool
