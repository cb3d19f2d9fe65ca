// Whether two graphs say the same, to the last byte of their weights.
#ifndef ERGO_TESTS_FORMATS_GRAPH_EQUAL_H_
#define ERGO_TESTS_FORMATS_GRAPH_EQUAL_H_

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "engine/graph/graph.h"
#include "formats/tensor_bytes.h"

namespace ergo {

inline void ExpectEqual(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.Type(), b.Type());
  EXPECT_EQ(a.GetShape(), b.GetShape());
  ASSERT_EQ(a.Bytes(), b.Bytes());
  if (a.Bytes() > 0) {
    EXPECT_EQ(std::memcmp(a.Data(), b.Data(), static_cast<size_t>(a.Bytes())), 0);
  }
}

inline void ExpectEqual(const Attribute& a, const Attribute& b) {
  ASSERT_EQ(a.index(), b.index());
  if (const auto* f = std::get_if<float>(&a)) {
    EXPECT_EQ(std::memcmp(f, std::get_if<float>(&b), sizeof(float)), 0);  // NaN and -0 too
  } else if (const auto* tensor = std::get_if<Tensor>(&a)) {
    ExpectEqual(*tensor, std::get<Tensor>(b));
  } else {
    std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (!std::is_same_v<T, Tensor>) {
            EXPECT_EQ(value, std::get<T>(b));
          }
        },
        a);
  }
}

inline void ExpectEqual(const Graph& a, const Graph& b);

inline void ExpectEqual(const Node& a, const Node& b) {
  SCOPED_TRACE(a.Label());
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.domain, b.domain);
  EXPECT_EQ(a.op, b.op);
  EXPECT_EQ(a.opset, b.opset);
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  ASSERT_EQ(a.attributes.size(), b.attributes.size());
  for (const auto& [name, attribute] : a.attributes) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(b.attributes.contains(name));
    ExpectEqual(attribute, b.attributes.at(name));
  }
  ASSERT_EQ(a.subgraphs.size(), b.subgraphs.size());
  for (size_t i = 0; i < a.subgraphs.size(); ++i) {
    EXPECT_EQ(a.subgraphs[i].attribute, b.subgraphs[i].attribute);
    EXPECT_EQ(a.subgraphs[i].captures, b.subgraphs[i].captures);
    ExpectEqual(*a.subgraphs[i].graph, *b.subgraphs[i].graph);
  }
}

inline void ExpectEqual(const Graph& a, const Graph& b) {
  EXPECT_EQ(a.ToString(), b.ToString());
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.metadata, b.metadata);
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  ASSERT_EQ(a.ValueCount(), b.ValueCount());
  for (ValueId id = 0; id < a.ValueCount(); ++id) {
    const Value& x = a.GetValue(id);
    const Value& y = b.GetValue(id);
    SCOPED_TRACE(x.name);
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.dtype, y.dtype);
    EXPECT_EQ(x.shape.ToString(), y.shape.ToString());
    ASSERT_EQ(x.constant.has_value(), y.constant.has_value());
    if (x.constant) ExpectEqual(*x.constant, *y.constant);
  }
  ASSERT_EQ(a.NodeCount(), b.NodeCount());
  for (NodeId id = 0; id < a.NodeCount(); ++id) ExpectEqual(a.GetNode(id), b.GetNode(id));
}

}  // namespace ergo

#endif  // ERGO_TESTS_FORMATS_GRAPH_EQUAL_H_
