#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "formats/ergo/ergo_file.h"
#include "formats/ergo/header_reader.h"
#include "formats/ergo/preamble.h"
#include "formats/limits.h"

namespace ergo {
namespace {

Status CheckPreamble(const ErgoPreamble& preamble, size_t file_bytes, bool verify_checksum) {
  if (preamble.version != kErgoVersion) {
    return Unsupported("byte 8: version {} of the format; this is {}: convert the model again",
                       preamble.version, kErgoVersion);
  }
  if (verify_checksum && preamble.preamble_xxh3 != PreambleXxh3(preamble)) {
    return CorruptData("byte 56: wrong checksum of the preamble");
  }
  if (preamble.flags != 0) return Unsupported("byte 12: flags {:#x}", preamble.flags);
  if (preamble.file_bytes != file_bytes) {
    return CorruptData("byte 16: the file should have {} bytes and has {}", preamble.file_bytes,
                       file_bytes);
  }
  if (preamble.header_bytes > static_cast<uint64_t>(kMaxErgoHeaderBytes)) {
    return ResourceExhausted("byte 32: a header of {} bytes is above the limit of {}",
                             preamble.header_bytes, kMaxErgoHeaderBytes);
  }
  if (preamble.header_offset != sizeof(ErgoPreamble) ||
      preamble.header_bytes > file_bytes - sizeof(ErgoPreamble)) {
    return CorruptData("byte 24: a header of {} bytes at {}", preamble.header_bytes,
                       preamble.header_offset);
  }
  const uint64_t header_end = preamble.header_offset + preamble.header_bytes;
  if (preamble.weights_offset % kTensorAlignment != 0 || preamble.weights_offset < header_end ||
      preamble.weights_offset > file_bytes) {
    return CorruptData("byte 48: weights at {}, behind a header that ends at {}",
                       preamble.weights_offset, header_end);
  }
  return {};
}

}  // namespace

bool IsErgo(std::span<const std::byte> bytes) {
  return bytes.size() >= kErgoMagic.size() &&
         std::ranges::equal(bytes.first(kErgoMagic.size()), std::as_bytes(std::span(kErgoMagic)));
}

Result<Graph> ParseErgo(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        const ErgoReadOptions& options) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kTensorAlignment != 0) {
    return InvalidArgument("the bytes are not aligned to {}", kTensorAlignment);
  }
  if (!IsErgo(bytes)) return CorruptData("byte 0: not an .ergo file");
  ErgoPreamble preamble;
  if (bytes.size() < sizeof(preamble)) {
    return CorruptData("byte {}: the file ends within its preamble", bytes.size());
  }
  std::memcpy(&preamble, bytes.data(), sizeof(preamble));
  const bool verify_header = options.verify_header_checksums;
  ERGO_RETURN_IF_ERROR(CheckPreamble(preamble, bytes.size(), verify_header));
  ERGO_RETURN_IF_ERROR(options.budget.CheckBytes(
      static_cast<int64_t>(preamble.header_bytes) * kMaxErgoHeaderExpansion, "reading"));
  const auto header = bytes.subspan(preamble.header_offset, preamble.header_bytes);
  if (verify_header && Xxh3(header) != preamble.header_xxh3) {
    return CorruptData("byte {}: wrong checksum of the header", preamble.header_offset);
  }
  return HeaderReader(header, bytes.subspan(preamble.weights_offset), std::move(owner))
      .Read(options.verify_checksums);
}

Result<Graph> ParseErgo(std::shared_ptr<const MappedFile> file, const ErgoReadOptions& options) {
  const std::span<const std::byte> bytes = file->Bytes();
  return ParseErgo(bytes, std::move(file), options);
}

Result<Graph> ReadErgo(const std::string& path, const ErgoReadOptions& options) {
  ERGO_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path, kMaxModelFileBytes));
  auto graph = ParseErgo(std::move(file), options);
  if (!graph.ok()) return std::move(graph).status().WithContext(path);
  return graph;
}

}  // namespace ergo
