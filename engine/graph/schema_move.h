// Inference rules of the data movement operators, split over schema_move*.cc; the table that names
// them all is in schema_move.cc. Only those files include this.
#ifndef ERGO_ENGINE_GRAPH_SCHEMA_MOVE_H_
#define ERGO_ENGINE_GRAPH_SCHEMA_MOVE_H_

#include <optional>
#include <string_view>
#include <vector>

#include "engine/graph/op_schema.h"

namespace ergo::move_schema {

// An optional list of integers that older opsets have as an attribute and newer ones as an input.
struct IntList {
  bool given = false;                          // it is there
  std::optional<std::vector<int64_t>> values;  // nullopt while its values are not known
  bool Unknown() const { return given && !values; }
  const std::vector<int64_t>* OrNull() const { return values ? &*values : nullptr; }
};
IntList ReadIntList(const InferContext& context, std::string_view attribute, size_t input);

// `rank` dimensions of which nothing is known.
SymbolicShape UnknownDims(int64_t rank);
// As many unknown dimensions as input i, a list of dimensions, has entries; unknown if that is.
SymbolicShape UnknownDimsOfList(const InferContext& context, size_t i);
// Output 0 has the type of input 0 and this shape.
Status SetLikeInput(InferContext& context, const SymbolicShape& shape);

// schema_move.cc: layout and shape.
Status InferSameAsInput(InferContext& context);
Status InferTranspose(InferContext& context);
Status InferReshape(InferContext& context);
Status InferFlatten(InferContext& context);
Status InferSqueeze(InferContext& context);
Status InferUnsqueeze(InferContext& context);
Status InferConcat(InferContext& context);
Status InferSplit(InferContext& context);
Status InferExpand(InferContext& context);
Status InferTile(InferContext& context);
Status InferDepthToSpace(InferContext& context);
Status InferSpaceToDepth(InferContext& context);
Status InferShape(InferContext& context);
Status InferSize(InferContext& context);

// schema_move_index.cc: what picks, places or makes elements.
Status InferSlice(InferContext& context);
Status InferGather(InferContext& context);
Status InferGatherElements(InferContext& context);
Status InferGatherNd(InferContext& context);
Status InferScatter(InferContext& context);
Status InferPad(InferContext& context);
Status InferCenterCropPad(InferContext& context);
Status InferOneHot(InferContext& context);
Status InferEyeLike(InferContext& context);
Status InferRange(InferContext& context);
Status InferConstantOfShape(InferContext& context);

// schema_resize.cc.
Status InferResize(InferContext& context);

}  // namespace ergo::move_schema

#endif  // ERGO_ENGINE_GRAPH_SCHEMA_MOVE_H_
