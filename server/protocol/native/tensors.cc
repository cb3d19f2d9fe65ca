// The frames with tensors, INFER and RESULT: block, descriptors, names, payloads.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/base/checked_math.h"
#include "kernels/base/limits.h"
#include "server/limits.h"
#include "server/protocol/native/bytes.h"
#include "server/protocol/native/codec.h"

namespace ergo::native {
namespace {

static_assert(kMaxTensorsPerFrame == std::tuple_size_v<decltype(TensorLayout::payload_offsets)>);

// Descriptor fields, as offsets from its start.
constexpr size_t kRank = 1, kIndex = 2, kNameBytes = 4, kPlacement = 6, kPayloadOffset = 8,
                 kPayloadBytes = 16, kDims = 24, kReserved = 56;

struct Cursor {
  size_t names;      // where the next name begins
  uint64_t payload;  // where what has been read so far ends
};

Status DescriptorFault(int tensor, std::string_view field, uint64_t value) {
  return CorruptData("tensor {}: {} is {}", tensor, field, value);
}

// Bytes of a payload, or an error for dims beyond any limit, even when another dim is 0: whoever
// multiplies only some of them shall not overflow.
Result<uint64_t> PayloadBytes(int tensor, DType dtype, const Shape& shape) {
  int64_t bound = 1;
  for (int64_t dim : shape.Dims()) {
    const auto product = CheckedMul(bound, std::max<int64_t>(dim, 1));
    if (!product || *product > kMaxTensorElements) {
      return CorruptData("tensor {}: dims {} are too large", tensor, shape.ToString());
    }
    bound = *product;
  }
  return static_cast<uint64_t>(DTypeBytes(dtype, shape.Elements()));
}

Status ParseDescriptor(std::span<const std::byte> body, int number, bool by_name_allowed,
                       Cursor& cursor, WireTensor& tensor) {
  const std::span<const std::byte> at =
      body.subspan(kBlockBytes + static_cast<size_t>(number) * kDescriptorBytes, kDescriptorBytes);
  const auto dtype = static_cast<DType>(Load<uint8_t>(at, 0));
  if (!IsTensorDType(dtype)) {
    return DescriptorFault(number, "dtype", static_cast<uint64_t>(dtype));
  }
  const auto rank = Load<uint8_t>(at, kRank);
  if (rank > kMaxRank) return DescriptorFault(number, "rank", rank);
  if (const auto placement = Load<uint16_t>(at, kPlacement); placement != 0) {
    return DescriptorFault(number, "placement", placement);
  }
  const size_t used_dims = kDims + rank * sizeof(uint32_t);
  if (!AllZero(at.subspan(used_dims, kReserved - used_dims)) || !AllZero(at.subspan(kReserved))) {
    return CorruptData("tensor {}: a reserved field or unused dim is not 0", number);
  }
  tensor.index = Load<uint16_t>(at, kIndex);
  const auto name_bytes = Load<uint16_t>(at, kNameBytes);
  const bool by_name = tensor.index == kIndexByName;
  if (name_bytes > kMaxTensorNameBytes ||
      (by_name_allowed ? by_name != (name_bytes > 0) : by_name)) {
    return DescriptorFault(number, "name_bytes", name_bytes);
  }
  if (name_bytes > body.size() - cursor.names) {
    return CorruptData("tensor {}: its name ends behind the body", number);
  }
  tensor.name = {reinterpret_cast<const char*>(body.data() + cursor.names), name_bytes};
  cursor.names += name_bytes;

  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    shape.Append(Load<uint32_t>(at, kDims + axis * sizeof(uint32_t)));
  }
  ERGO_ASSIGN_OR_RETURN(const uint64_t bytes, PayloadBytes(number, dtype, shape));
  if (const auto told = Load<uint64_t>(at, kPayloadBytes); told != bytes) {
    return CorruptData("tensor {}: payload_bytes is {}, but {} {} take {}", number, told,
                       DTypeName(dtype), shape.ToString(), bytes);
  }
  tensor.view = {nullptr, dtype, Device::kCpu, shape};
  return {};
}

// Descriptors, names and payloads; the block has been read. `model` receives the first
// `model_name_bytes` of the names.
Status ParseTensors(std::span<const std::byte> body, int count, size_t model_name_bytes,
                    bool by_name_allowed, std::string_view& model,
                    std::vector<WireTensor>& tensors) {
  if (count > kMaxTensorsPerFrame)
    return BadField("block", "tensor_count", static_cast<uint64_t>(count));
  const size_t names_start = kBlockBytes + static_cast<size_t>(count) * kDescriptorBytes;
  if (body.size() < names_start + model_name_bytes) {
    return CorruptData("the body ends before its descriptors and names");
  }
  model = {reinterpret_cast<const char*>(body.data() + names_start), model_name_bytes};
  Cursor cursor{names_start + model_name_bytes, 0};
  tensors.resize(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    ERGO_RETURN_IF_ERROR(
        ParseDescriptor(body, i, by_name_allowed, cursor, tensors[static_cast<size_t>(i)]));
  }
  cursor.payload = cursor.names;
  for (int i = 0; i < count; ++i) {
    WireTensor& tensor = tensors[static_cast<size_t>(i)];
    const size_t at = kBlockBytes + static_cast<size_t>(i) * kDescriptorBytes;
    const auto offset = Load<uint64_t>(body, at + kPayloadOffset);
    const auto bytes = Load<uint64_t>(body, at + kPayloadBytes);
    if (offset != RoundUp<uint64_t>(cursor.payload, kTensorAlignment)) {
      return DescriptorFault(i, "payload_offset", offset);
    }
    if (offset > body.size() || bytes > body.size() - offset) {
      return CorruptData("tensor {}: its payload ends behind the body", i);
    }
    tensor.view.data = body.data() + offset;
    cursor.payload = offset + bytes;
  }
  if (cursor.payload != body.size()) {
    return CorruptData("body_bytes is {}, but the last part ends at {}", body.size(),
                       cursor.payload);
  }
  return {};
}

void WriteHeader(FrameType type, uint16_t flags, uint64_t request_id, uint64_t body_bytes,
                 std::span<std::byte> out) {
  std::memset(out.data(), 0, kHeaderBytes);
  std::memcpy(out.data(), kMagic.data(), kMagic.size());
  Store(out, 4, kVersion);
  Store(out, 5, static_cast<uint8_t>(type));
  Store(out, 6, flags);
  Store(out, 8, request_id);
  Store(out, 16, static_cast<uint32_t>(body_bytes));
}

// `body` begins with the block, and has at least everything up to the first payload.
void WriteDescriptors(std::string_view model, std::span<const WireTensor> tensors,
                      const TensorLayout& layout, std::span<std::byte> body) {
  size_t name_at = kBlockBytes + tensors.size() * kDescriptorBytes;
  StoreText(body, name_at, model);
  name_at += model.size();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const WireTensor& tensor = tensors[i];
    const std::span<std::byte> at =
        body.subspan(kBlockBytes + i * kDescriptorBytes, kDescriptorBytes);
    std::memset(at.data(), 0, kDescriptorBytes);
    Store(at, 0, static_cast<uint8_t>(tensor.view.dtype));
    Store(at, kRank, static_cast<uint8_t>(tensor.view.shape.Rank()));
    Store(at, kIndex, tensor.index);
    Store(at, kNameBytes, static_cast<uint16_t>(tensor.name.size()));
    Store(at, kPayloadOffset, layout.payload_offsets[i]);
    Store(at, kPayloadBytes, static_cast<uint64_t>(tensor.view.Bytes()));
    for (int axis = 0; axis < tensor.view.shape.Rank(); ++axis) {
      Store(at, kDims + static_cast<size_t>(axis) * sizeof(uint32_t),
            static_cast<uint32_t>(tensor.view.shape[axis]));
    }
    StoreText(body, name_at, tensor.name);
    name_at += tensor.name.size();
  }
  const size_t head_end = layout.head_bytes - kHeaderBytes;
  std::memset(body.data() + name_at, 0, head_end - name_at);
}

}  // namespace

Status ParseInfer(std::span<const std::byte> body, Infer& infer) {
  if (body.size() < kBlockBytes) return CorruptData("INFER: the body has no block");
  infer.deadline_us = Load<uint64_t>(body, 0);
  infer.model_version = Load<uint32_t>(body, 8);
  infer.priority = Load<int8_t>(body, 12);
  const int count = Load<uint8_t>(body, 13);
  const auto model_name_bytes = Load<uint16_t>(body, 14);
  if (model_name_bytes == 0 || model_name_bytes > kMaxModelNameBytes) {
    return BadField("INFER", "model_name_bytes", model_name_bytes);
  }
  if (!AllZero(body.subspan(16, kBlockBytes - 16))) {
    return CorruptData("INFER: a reserved field is not 0");
  }
  return ParseTensors(body, count, model_name_bytes, true, infer.model, infer.tensors)
      .WithContext("INFER");
}

Status ParseResult(std::span<const std::byte> body, ResultMessage& result) {
  if (body.size() < kBlockBytes) return CorruptData("RESULT: the body has no block");
  ResultBlock& block = result.block;
  block.queue_ns = Load<uint64_t>(body, 0);
  block.compute_ns = Load<uint64_t>(body, 8);
  block.joules = Load<double>(body, 16);
  block.joules_relative_error = Load<double>(body, 24);
  block.energy_window_ns = Load<uint64_t>(body, 32);
  block.batch_size = Load<uint32_t>(body, 40);
  block.model_version = Load<uint32_t>(body, 44);
  const auto source = Load<uint8_t>(body, 48);
  const auto share = Load<uint8_t>(body, 49);
  if (source > static_cast<uint8_t>(EnergySource::kModelled)) {
    return BadField("RESULT", "energy_source", source);
  }
  if (share > static_cast<uint8_t>(EnergyShare::kWholeWindow)) {
    return BadField("RESULT", "energy_share", share);
  }
  block.energy_source = static_cast<EnergySource>(source);
  block.energy_share = static_cast<EnergyShare>(share);
  const int count = Load<uint8_t>(body, 50);
  if (!AllZero(body.subspan(51, kBlockBytes - 51))) {
    return CorruptData("RESULT: a reserved field is not 0");
  }
  std::string_view no_model;
  return ParseTensors(body, count, 0, false, no_model, result.tensors).WithContext("RESULT");
}

Result<TensorLayout> LayOutTensors(std::string_view model, std::span<const WireTensor> tensors,
                                   uint32_t max_body_bytes) {
  if (tensors.size() > static_cast<size_t>(kMaxTensorsPerFrame)) {
    return ResourceExhausted("{} tensors, a frame carries at most {}", tensors.size(),
                             kMaxTensorsPerFrame);
  }
  if (model.size() > static_cast<size_t>(kMaxModelNameBytes)) {
    return InvalidArgument("a model name of {} bytes, at most {} can be sent", model.size(),
                           kMaxModelNameBytes);
  }
  TensorLayout layout;
  uint64_t end = kBlockBytes + tensors.size() * kDescriptorBytes + model.size();
  for (const WireTensor& tensor : tensors) {
    if (tensor.name.size() > static_cast<size_t>(kMaxTensorNameBytes)) {
      return InvalidArgument("a tensor name of {} bytes, at most {} can be sent",
                             tensor.name.size(), kMaxTensorNameBytes);
    }
    for (int64_t dim : tensor.view.shape.Dims()) {
      if (dim > std::numeric_limits<uint32_t>::max()) {
        return InvalidArgument("dimension {} does not fit 32 bits", dim);
      }
    }
    end += tensor.name.size();
  }
  layout.head_bytes =
      kHeaderBytes + (tensors.empty() ? end : RoundUp<uint64_t>(end, kTensorAlignment));
  for (size_t i = 0; i < tensors.size(); ++i) {
    layout.payload_offsets[i] = RoundUp<uint64_t>(end, kTensorAlignment);
    end = layout.payload_offsets[i] + static_cast<uint64_t>(tensors[i].view.Bytes());
  }
  if (end > max_body_bytes) {
    return ResourceExhausted("a body of {} bytes, at most {} are taken", end, max_body_bytes);
  }
  layout.body_bytes = end;
  return layout;
}

void WriteInferHead(uint64_t request_id, uint16_t flags, const Infer& infer,
                    const TensorLayout& layout, std::span<std::byte> out) {
  ERGO_CHECK(out.size() >= layout.head_bytes);
  WriteHeader(FrameType::kInfer, flags, request_id, layout.body_bytes, out);
  const std::span<std::byte> body = out.subspan(kHeaderBytes);
  std::memset(body.data(), 0, kBlockBytes);
  Store(body, 0, infer.deadline_us);
  Store(body, 8, infer.model_version);
  Store(body, 12, infer.priority);
  Store(body, 13, static_cast<uint8_t>(infer.tensors.size()));
  Store(body, 14, static_cast<uint16_t>(infer.model.size()));
  WriteDescriptors(infer.model, infer.tensors, layout, body);
}

void WriteResultHead(uint64_t request_id, const ResultBlock& block,
                     std::span<const WireTensor> tensors, const TensorLayout& layout,
                     std::span<std::byte> out) {
  ERGO_CHECK(out.size() >= layout.head_bytes);
  const bool names = !tensors.empty() && !tensors.front().name.empty();
  WriteHeader(FrameType::kResult, names ? kFlagNames : uint16_t{0}, request_id, layout.body_bytes,
              out);
  const std::span<std::byte> body = out.subspan(kHeaderBytes);
  std::memset(body.data(), 0, kBlockBytes);
  Store(body, 0, block.queue_ns);
  Store(body, 8, block.compute_ns);
  Store(body, 16, block.joules);
  Store(body, 24, block.joules_relative_error);
  Store(body, 32, block.energy_window_ns);
  Store(body, 40, block.batch_size);
  Store(body, 44, block.model_version);
  Store(body, 48, static_cast<uint8_t>(block.energy_source));
  Store(body, 49, static_cast<uint8_t>(block.energy_share));
  Store(body, 50, static_cast<uint8_t>(tensors.size()));
  WriteDescriptors("", tensors, layout, body);
  if (body.size() < layout.body_bytes) return;
  for (size_t i = 0; i + 1 < tensors.size(); ++i) {
    const uint64_t end = layout.payload_offsets[i] + static_cast<uint64_t>(tensors[i].view.Bytes());
    std::memset(body.data() + end, 0, layout.payload_offsets[i + 1] - end);
  }
}

}  // namespace ergo::native
