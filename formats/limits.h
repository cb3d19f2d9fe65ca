// Limits on what a file may ask for, kept by every reader before it allocates. Those on the graph
// itself stand in engine/graph/limits.h.
#ifndef ERGO_FORMATS_LIMITS_H_
#define ERGO_FORMATS_LIMITS_H_

#include <cstdint>

namespace ergo {

inline constexpr int64_t kMaxModelFileBytes = int64_t{1} << 37;   // .ergo and external data
inline constexpr int64_t kMaxTensorFileBytes = int64_t{1} << 36;  // .npy

// .onnx and .pb. Protobuf itself ends there; larger models keep their weights as external data.
inline constexpr int64_t kMaxProtobufBytes = (int64_t{1} << 31) - 1;
// Messages and repeated strings in one protobuf file. Each takes about a hundred bytes when parsed,
// however few it has in the file: bounds the memory of a parse to about a gigabyte above its bytes.
inline constexpr int64_t kMaxOnnxObjects = int64_t{1} << 23;
// Messages within messages. A subgraph is three levels; must stay below protobuf's own limit (100).
inline constexpr int kMaxOnnxNesting = 64;
// Local functions that call local functions that ...
inline constexpr int kMaxFunctionDepth = 16;
// Attributes copied by expanding local functions (their tensors are shared, not copied).
inline constexpr int64_t kMaxInlinedAttributeBytes = int64_t{256} << 20;
// Made-up names (of a function's inner values) that would be longer are made up anew.
inline constexpr int kMaxMadeUpNameBytes = 256;
// Lines in one error message that lists everything that was refused.
inline constexpr int kMaxRefusalLines = 50;
inline constexpr int kMaxNodeAttributes = 256;

inline constexpr int64_t kMaxErgoHeaderBytes = int64_t{1} << 28;  // graph without weights
// FlatBuffers may point to one object from many places: what a header's names and lists take when
// each is counted wherever it is pointed to, as a multiple of the header's bytes.
inline constexpr int64_t kMaxErgoHeaderExpansion = 4;
// Tables in one header, counted likewise.
inline constexpr uint32_t kMaxErgoTables = uint32_t{1} << 22;
inline constexpr uint32_t kMaxErgoNesting = 64;

inline constexpr int64_t kMaxNpyHeaderBytes = int64_t{1} << 16;

}  // namespace ergo

#endif  // ERGO_FORMATS_LIMITS_H_
