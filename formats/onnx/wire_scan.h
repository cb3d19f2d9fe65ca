// A walk over the bytes of a protobuf message before it is parsed.
//
// Protobuf's own parser says no more than that bytes do not parse, and builds an object of a
// hundred bytes for a message that takes two in the file. This walk, guided by the message's
// descriptor, names the place of the first byte that is wrong, and bounds what parsing may
// allocate.
//
// Thread safety: pure.
#ifndef ERGO_FORMATS_ONNX_WIRE_SCAN_H_
#define ERGO_FORMATS_ONNX_WIRE_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/graph/budget.h"
#include "kernels/base/status.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace ergo::onnx {

// CorruptData with the byte offset and the field's path ("byte 117: graph.node[3].name: ...") for
// truncated or malformed fields, a known field of another wire type, or text that is not UTF-8;
// ResourceExhausted above kMaxOnnxObjects messages and strings or kMaxOnnxNesting levels. Returns
// about how many bytes the parsed message takes.
Result<int64_t> ScanWire(std::span<const std::byte> bytes,
                         const google::protobuf::Descriptor& type);

// ScanWire, then the parse itself. ResourceExhausted above kMaxProtobufBytes, and where the message
// and a copy of its tensors are above the budget.
Status ParseMessage(std::span<const std::byte> bytes, google::protobuf::Message& message,
                    const Budget& budget = {});

}  // namespace ergo::onnx

#endif  // ERGO_FORMATS_ONNX_WIRE_SCAN_H_
