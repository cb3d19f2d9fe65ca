#include "formats/npy/npy.h"

#include <array>
#include <cstring>
#include <utility>

#include "formats/file.h"
#include "formats/limits.h"
#include "formats/npy/npy_header.h"
#include "formats/tensor_bytes.h"

namespace ergo {
namespace {

// Copies elements that lie with the first axis fastest into C order.
Result<Tensor> FromFortranOrder(DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
  ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::Allocate(bytes.size()));
  const auto size = static_cast<size_t>(DTypeBits(dtype) / 8);
  const auto strides = shape.RowMajorStrides();
  std::array<int64_t, kMaxRank> index{};
  for (size_t from = 0; from < bytes.size(); from += size) {
    int64_t to = 0;
    for (int axis = 0; axis < shape.Rank(); ++axis) {
      to += index[static_cast<size_t>(axis)] * strides[static_cast<size_t>(axis)];
    }
    std::memcpy(buffer.Data() + static_cast<size_t>(to) * size, bytes.data() + from, size);
    for (int axis = 0; axis < shape.Rank(); ++axis) {
      if (++index[static_cast<size_t>(axis)] < shape[axis]) break;
      index[static_cast<size_t>(axis)] = 0;
    }
  }
  Tensor tensor(dtype, shape, std::move(buffer));
  if (dtype != DType::kBool) return tensor;
  return TensorFromBytes(dtype, shape, RawBytes(tensor), tensor.Owner());
}

}  // namespace

Result<Tensor> ParseNpy(std::span<const std::byte> bytes,
                        const std::shared_ptr<const void>& owner) {
  ERGO_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(bytes));
  const int64_t wanted = DTypeBytes(header.dtype, header.shape.Elements());
  const auto data = bytes.subspan(header.data_offset);
  if (static_cast<int64_t>(data.size()) != wanted) {
    return CorruptData("byte {}: {} bytes of data where {}{} takes {}", header.data_offset,
                       data.size(), DTypeName(header.dtype), header.shape.ToString(), wanted);
  }
  if (header.fortran_order && header.shape.Rank() > 1) {
    return FromFortranOrder(header.dtype, header.shape, data);
  }
  return TensorFromBytes(header.dtype, header.shape, data, owner);
}

Result<Tensor> ReadNpy(const std::string& path) {
  ERGO_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path, kMaxTensorFileBytes));
  auto tensor = ParseNpy(file->Bytes(), file);
  if (!tensor.ok()) return std::move(tensor).status().WithContext(path);
  return tensor;
}

Status WriteNpy(const std::string& path, const Tensor& tensor) {
  auto header = FormatNpyHeader(tensor.Type(), tensor.GetShape());
  if (!header.ok()) return std::move(header).status().WithContext(path);
  ERGO_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  ERGO_RETURN_IF_ERROR(writer.Write(*header));
  ERGO_RETURN_IF_ERROR(writer.Write(RawBytes(tensor)));
  return writer.Commit();
}

}  // namespace ergo
