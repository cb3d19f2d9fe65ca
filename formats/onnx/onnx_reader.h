// ONNX models, from a file or from memory, as a Graph.
//
// What the Graph holds, against what the file said:
//   * Initializers are constants, also those that are listed as inputs besides (IR version < 4, or
//     a default value that callers might have replaced): they are not inputs of the Graph.
//     `Constant` nodes are constants too.
//   * Local functions are expanded into the nodes of their bodies, attribute references resolved.
//   * What subgraphs (If, Loop, Scan) use of the graphs around them is listed as captures;
//   constants
//     among it are constants of the subgraph instead, with the same bytes.
//   * Nodes are in topological order, whatever order the file has them in. Unnamed nodes and those
//     of equal names get names that no other node has.
//   * Operators that nobody knows are nodes like others: FindUnsupported (engine/plan/plan.h) lists
//     all of them together.
//   * Declared types and shapes are kept for inputs, and the types of outputs; those of values in
//     between are left for inference, since many files have stale ones.
//
// Errors name the place: the byte offset and field path of bytes that do not parse, the node,
// value, attribute or field of what makes no sense. Everything that Ergo cannot represent (tensors
// of strings or complex numbers, sequences, optionals, sparse tensors) is listed in one
// Unsupported.
//
// Limits: formats/limits.h and engine/graph/limits.h. Thread safety: pure functions.
#ifndef ERGO_FORMATS_ONNX_ONNX_READER_H_
#define ERGO_FORMATS_ONNX_ONNX_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"
#include "formats/limits.h"
#include "kernels/base/status.h"

namespace ergo {

struct OnnxReadOptions {
  int64_t max_bytes = kMaxProtobufBytes;
  // Where external data lies. Its files are opened below this folder only, never through "..", an
  // absolute path or a symbolic link, and mapped, not copied. Unset: ReadOnnx takes the folder of
  // the model, ParseOnnx refuses external data.
  std::optional<std::string> external_folder;
  Budget budget;  // ResourceExhausted when parsing would take more memory
};

// Maps the file while it reads. Weights inside the file are copied once, into aligned memory.
Result<Graph> ReadOnnx(const std::string& path, const OnnxReadOptions& options = {});

Result<Graph> ParseOnnx(std::span<const std::byte> bytes, const OnnxReadOptions& options = {});

}  // namespace ergo

#endif  // ERGO_FORMATS_ONNX_ONNX_READER_H_
