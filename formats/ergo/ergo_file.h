// .ergo files: a Graph with its weights, ready to be mapped. FORMAT.md describes every byte.
//
// Reading copies the graph, which is small, and no weights: their tensors are views into the
// mapping, 64-byte aligned, and keep it alive. Nothing in the file is trusted: every offset, size,
// index, type and rank is checked before it is used, and what the graph may take is bounded
// (formats/limits.h, engine/graph/limits.h).
//
// Errors: CorruptData naming the place (byte offset, value, node, attribute), Unsupported for a
// version of the format or an element type that is not known, ResourceExhausted above a limit.
//
// Thread safety: pure functions.
#ifndef ERGO_FORMATS_ERGO_ERGO_FILE_H_
#define ERGO_FORMATS_ERGO_ERGO_FILE_H_

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"
#include "formats/file.h"
#include "kernels/base/status.h"

namespace ergo {

// Writes beside `path` and renames, so that nobody sees half a file. Equal constants are written
// once. The same graph and metadata give the same bytes. `metadata` is added to the graph's own,
// and wins over it. The graph's invariants are verified first.
Status WriteErgo(const Graph& graph, const std::string& path,
                 const std::map<std::string, std::string>& metadata = {});

struct ErgoReadOptions {
  // Reads every byte of the weights once, at the speed of memory or disk. Without it a load touches
  // the header only, and damaged weights go unseen.
  bool verify_checksums = true;
  // For fuzzing alone, which would otherwise never get behind the checksums of preamble and header.
  bool verify_header_checksums = true;
  Budget budget;  // ResourceExhausted when the graph without its weights would take more memory
};

Result<Graph> ReadErgo(const std::string& path, const ErgoReadOptions& options = {});
Result<Graph> ParseErgo(std::shared_ptr<const MappedFile> file,
                        const ErgoReadOptions& options = {});

// From memory that stays unchanged while `owner` lives; `bytes` begin at a multiple of
// kTensorAlignment (InvalidArgument otherwise).
Result<Graph> ParseErgo(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        const ErgoReadOptions& options = {});

// Whether a file that begins with these bytes means to be an .ergo file.
bool IsErgo(std::span<const std::byte> bytes);

}  // namespace ergo

#endif  // ERGO_FORMATS_ERGO_ERGO_FILE_H_
