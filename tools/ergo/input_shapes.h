// Concrete shapes for a model's inputs, from what the command line says: --dim and --shape bind
// symbols and whole inputs, arrays that were given bind theirs, and what is still free becomes 1,
// which is said.
#ifndef ERGO_TOOLS_ERGO_INPUT_SHAPES_H_
#define ERGO_TOOLS_ERGO_INPUT_SHAPES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/run/model.h"
#include "kernels/base/shape.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

struct ShapeFlags {
  std::vector<std::string> dims;    // "batch=4"
  std::vector<std::string> shapes;  // "input=1,3,224,224"
};
void DefineShapeFlags(CLI::App& app, ShapeFlags& flags);

// "NAME=TEXT" at the first '='. InvalidArgument that shows the form of `option`.
Result<std::pair<std::string, std::string>> SplitAssignment(std::string_view option,
                                                            std::string_view text);

struct BoundShapes {
  std::vector<Shape> shapes;
  std::vector<std::string> assumed;  // "batch = 1", "axis 2 of 'x' = 1"
};

struct ShapeRequest {
  ShapeFlags flags;
  // The number of each input's leading dimension where that is free. InvalidArgument when it is
  // free nowhere and fixed to something else.
  std::optional<int64_t> batch;
  // Where a symbol is free, it becomes the first of its numbers instead of 1.
  std::span<const DimRange> ranges;
  // Empty, or one for each input: the shape of the array that it will get.
  std::vector<std::optional<Shape>> given;
};

// InvalidArgument naming the symbol or input that the model does not have, or the dimension that
// contradicts it.
Result<BoundShapes> BindShapes(std::span<const Model::Port> inputs, const ShapeRequest& request);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_INPUT_SHAPES_H_
