// Parsing and appending of the small messages.
#include <algorithm>
#include <string>
#include <utility>

#include "kernels/base/limits.h"
#include "server/limits.h"
#include "server/protocol/native/bytes.h"
#include "server/protocol/native/codec.h"

namespace ergo::native {
namespace {

constexpr uint8_t kRankUnknown = 0xff;

// Builds one frame at the end of `out`; the header's body length is set at the end.
class FrameWriter {
 public:
  FrameWriter(FrameType type, uint64_t request_id, Bytes& out) : out_(out), start_(out.size()) {
    out_.resize(start_ + kHeaderBytes);
    const std::span<std::byte> header(out_.data() + start_, kHeaderBytes);
    for (size_t i = 0; i < kMagic.size(); ++i) Store(header, i, kMagic[i]);
    Store(header, 4, kVersion);
    Store(header, 5, static_cast<uint8_t>(type));
    Store(header, 8, request_id);
  }
  ~FrameWriter() {
    const auto body_bytes = static_cast<uint32_t>(out_.size() - start_ - kHeaderBytes);
    Store(std::span(out_).subspan(start_), 16, body_bytes);
  }
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  template <typename T>
  void Write(T value) {
    const size_t offset = out_.size();
    out_.resize(offset + sizeof(T));
    Store(std::span(out_), offset, value);
  }
  void Raw(std::span<const std::byte> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void Text(std::string_view text) { Raw(std::as_bytes(std::span(text))); }
  void Zeros(size_t count) { out_.resize(out_.size() + count); }
  void Align8() { Zeros((8 - (out_.size() - start_) % 8) % 8); }

 private:
  Bytes& out_;
  size_t start_;
};

uint16_t NameBytes(std::string_view name) {
  ERGO_CHECK_MSG(name.size() <= static_cast<size_t>(kMaxModelNameBytes), "name '{}'", name);
  return static_cast<uint16_t>(name.size());
}

// At most `limit` bytes, without cutting a UTF-8 sequence in two.
std::string_view CutText(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xc0) == 0x80) --limit;
  return text.substr(0, limit);
}

void WritePort(const PortInfo& port, FrameWriter& writer) {
  const bool known = port.shape.RankKnown();
  const int rank = known ? port.shape.Rank() : 0;
  writer.Write(static_cast<uint8_t>(port.dtype));
  writer.Write(known ? static_cast<uint8_t>(rank) : kRankUnknown);
  writer.Write(NameBytes(port.name));
  writer.Write(uint32_t{0});
  for (int axis = 0; axis < rank; ++axis) writer.Write(port.shape[axis].value);
  for (int axis = 0; axis < rank; ++axis) {
    const Dim& dim = port.shape[axis];
    writer.Write(NameBytes(CutText(dim.Known() ? "" : dim.symbol, kMaxTensorNameBytes)));
  }
  writer.Text(port.name);
  for (int axis = 0; axis < rank; ++axis) {
    const Dim& dim = port.shape[axis];
    writer.Text(CutText(dim.Known() ? "" : dim.symbol, kMaxTensorNameBytes));
  }
  writer.Align8();
}

Result<PortInfo> ReadPort(BodyReader& reader) {
  PortInfo port;
  port.dtype = static_cast<DType>(reader.Read<uint8_t>());
  const auto rank = reader.Read<uint8_t>();
  const auto name_bytes = reader.Read<uint16_t>();
  reader.Reserved(4);
  if (!reader.ok()) return port;
  if (!IsTensorDType(port.dtype)) {
    return BadField("METADATA_REPLY", "dtype", static_cast<uint64_t>(port.dtype));
  }
  if (rank > kMaxRank && rank != kRankUnknown) return BadField("METADATA_REPLY", "rank", rank);
  std::vector<Dim> dims(rank == kRankUnknown ? 0 : rank);
  for (Dim& dim : dims) dim.value = std::max<int64_t>(reader.Read<int64_t>(), -1);
  std::array<uint16_t, kMaxRank> symbol_bytes{};
  for (size_t axis = 0; axis < dims.size(); ++axis) symbol_bytes[axis] = reader.Read<uint16_t>();
  port.name = reader.Text(name_bytes);
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    dims[axis].symbol = reader.Text(symbol_bytes[axis]);
  }
  reader.Align8();
  if (rank != kRankUnknown) port.shape = SymbolicShape(std::move(dims));
  return port;
}

}  // namespace

Result<Hello> ParseHello(std::span<const std::byte> body) {
  BodyReader reader(body);
  Hello hello;
  hello.version_min = reader.Read<uint16_t>();
  hello.version_max = reader.Read<uint16_t>();
  hello.max_body_bytes = reader.Read<uint32_t>();
  hello.max_in_flight = reader.Read<uint32_t>();
  hello.idle_timeout_ms = reader.Read<uint32_t>();
  hello.features = reader.Read<uint64_t>();
  hello.auth_kind = reader.Read<uint16_t>();
  const auto auth_bytes = reader.Read<uint16_t>();
  reader.Reserved(36);
  ERGO_RETURN_IF_ERROR(reader.Finish("HELLO"));
  if (auth_bytes != 0) return BadField("HELLO", "auth_bytes", auth_bytes);
  if (hello.version_min > hello.version_max) {
    return BadField("HELLO", "version_min (above version_max)", hello.version_min);
  }
  return hello;
}

void AppendHello(const Hello& hello, Bytes& out) {
  FrameWriter writer(FrameType::kHello, 0, out);
  writer.Write(hello.version_min);
  writer.Write(hello.version_max);
  writer.Write(hello.max_body_bytes);
  writer.Write(hello.max_in_flight);
  writer.Write(hello.idle_timeout_ms);
  writer.Write(hello.features);
  writer.Write(hello.auth_kind);
  writer.Zeros(2 + 36);
}

Result<HelloAck> ParseHelloAck(std::span<const std::byte> body) {
  BodyReader reader(body);
  HelloAck ack;
  ack.version = reader.Read<uint16_t>();
  reader.Reserved(2);
  ack.max_body_bytes = reader.Read<uint32_t>();
  ack.max_in_flight = reader.Read<uint32_t>();
  ack.idle_timeout_ms = reader.Read<uint32_t>();
  ack.features = reader.Read<uint64_t>();
  const auto name_bytes = reader.Read<uint16_t>();
  reader.Reserved(38);
  ack.name = reader.Text(name_bytes);
  ERGO_RETURN_IF_ERROR(reader.Finish("HELLO_ACK"));
  return ack;
}

void AppendHelloAck(const HelloAck& ack, Bytes& out) {
  FrameWriter writer(FrameType::kHelloAck, 0, out);
  writer.Write(ack.version);
  writer.Zeros(2);
  writer.Write(ack.max_body_bytes);
  writer.Write(ack.max_in_flight);
  writer.Write(ack.idle_timeout_ms);
  writer.Write(ack.features);
  writer.Write(NameBytes(ack.name));
  writer.Zeros(38);
  writer.Text(ack.name);
}

Result<ErrorMessage> ParseError(std::span<const std::byte> body) {
  BodyReader reader(body);
  ErrorMessage error;
  error.code = static_cast<ErrorCode>(reader.Read<uint16_t>());
  const auto text_bytes = reader.Read<uint16_t>();
  error.retry_after_us = reader.Read<uint32_t>();
  error.queue_ns = reader.Read<uint64_t>();
  error.text = reader.Text(text_bytes);
  ERGO_RETURN_IF_ERROR(reader.Finish("ERROR"));
  if (error.code == ErrorCode::kNone) return BadField("ERROR", "code", 0);
  return error;
}

void AppendError(uint64_t request_id, const ErrorMessage& error, Bytes& out) {
  const std::string_view text = CutText(error.text, kMaxErrorTextBytes);
  FrameWriter writer(FrameType::kError, request_id, out);
  writer.Write(static_cast<uint16_t>(error.code));
  writer.Write(static_cast<uint16_t>(text.size()));
  writer.Write(error.retry_after_us);
  writer.Write(error.queue_ns);
  writer.Text(text);
}

void AppendPing(uint64_t request_id, std::span<const std::byte> echo, Bytes& out) {
  FrameWriter(FrameType::kPing, request_id, out).Raw(echo);
}

void AppendPong(uint64_t request_id, std::span<const std::byte> echo, Bytes& out) {
  FrameWriter(FrameType::kPong, request_id, out).Raw(echo);
}

void AppendQuestion(FrameType type, uint64_t request_id, Bytes& out) {
  FrameWriter writer(type, request_id, out);
}

Result<Health> ParseHealthReply(std::span<const std::byte> body) {
  BodyReader reader(body);
  Health health;
  const auto state = reader.Read<uint8_t>();
  reader.Reserved(3);
  health.state = static_cast<HealthState>(state);
  health.models = reader.Read<uint32_t>();
  health.connections = reader.Read<uint32_t>();
  health.requests_in_flight = reader.Read<uint32_t>();
  health.uptime_ns = reader.Read<uint64_t>();
  reader.Reserved(8);
  ERGO_RETURN_IF_ERROR(reader.Finish("HEALTH_REPLY"));
  if (state != 1 && state != 2) return BadField("HEALTH_REPLY", "state", state);
  return health;
}

void AppendHealthReply(uint64_t request_id, const Health& health, Bytes& out) {
  FrameWriter writer(FrameType::kHealthReply, request_id, out);
  writer.Write(static_cast<uint8_t>(health.state));
  writer.Zeros(3);
  writer.Write(health.models);
  writer.Write(health.connections);
  writer.Write(health.requests_in_flight);
  writer.Write(health.uptime_ns);
  writer.Zeros(8);
}

Result<std::vector<ModelListEntry>> ParseModelListReply(std::span<const std::byte> body) {
  BodyReader reader(body);
  const auto count = reader.Read<uint32_t>();
  reader.Reserved(4);
  std::vector<ModelListEntry> entries;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    ModelListEntry entry;
    entry.version = reader.Read<uint32_t>();
    entry.state = reader.Read<uint8_t>();
    reader.Reserved(1);
    const auto name_bytes = reader.Read<uint16_t>();
    entry.name = reader.Text(name_bytes);
    reader.Align8();
    entries.push_back(std::move(entry));
  }
  ERGO_RETURN_IF_ERROR(reader.Finish("MODEL_LIST_REPLY"));
  return entries;
}

void AppendModelListReply(uint64_t request_id, std::span<const ModelListEntry> entries,
                          Bytes& out) {
  FrameWriter writer(FrameType::kModelListReply, request_id, out);
  writer.Write(static_cast<uint32_t>(entries.size()));
  writer.Zeros(4);
  for (const ModelListEntry& entry : entries) {
    writer.Write(entry.version);
    writer.Write(entry.state);
    writer.Zeros(1);
    writer.Write(NameBytes(entry.name));
    writer.Text(entry.name);
    writer.Align8();
  }
}

Result<MetadataRequest> ParseMetadata(std::span<const std::byte> body) {
  BodyReader reader(body);
  MetadataRequest request;
  request.model_version = reader.Read<uint32_t>();
  const auto name_bytes = reader.Read<uint16_t>();
  reader.Reserved(2);
  request.model = reader.Text(name_bytes);
  ERGO_RETURN_IF_ERROR(reader.Finish("METADATA"));
  if (name_bytes == 0) return BadField("METADATA", "name_bytes", 0);
  return request;
}

void AppendMetadata(uint64_t request_id, const MetadataRequest& request, Bytes& out) {
  FrameWriter writer(FrameType::kMetadata, request_id, out);
  writer.Write(request.model_version);
  writer.Write(NameBytes(request.model));
  writer.Zeros(2);
  writer.Text(request.model);
}

Result<Metadata> ParseMetadataReply(std::span<const std::byte> body) {
  BodyReader reader(body);
  Metadata metadata;
  metadata.model_version = reader.Read<uint32_t>();
  const auto name_bytes = reader.Read<uint16_t>();
  const auto input_count = reader.Read<uint8_t>();
  const auto output_count = reader.Read<uint8_t>();
  metadata.model = reader.Text(name_bytes);
  reader.Align8();
  for (int i = 0; i < input_count + output_count && reader.ok(); ++i) {
    ERGO_ASSIGN_OR_RETURN(PortInfo port, ReadPort(reader));
    (i < input_count ? metadata.inputs : metadata.outputs).push_back(std::move(port));
  }
  ERGO_RETURN_IF_ERROR(reader.Finish("METADATA_REPLY"));
  return metadata;
}

void AppendMetadataReply(uint64_t request_id, const Metadata& metadata, Bytes& out) {
  ERGO_CHECK(metadata.inputs.size() < 256 && metadata.outputs.size() < 256);
  FrameWriter writer(FrameType::kMetadataReply, request_id, out);
  writer.Write(metadata.model_version);
  writer.Write(NameBytes(metadata.model));
  writer.Write(static_cast<uint8_t>(metadata.inputs.size()));
  writer.Write(static_cast<uint8_t>(metadata.outputs.size()));
  writer.Text(metadata.model);
  writer.Align8();
  for (const PortInfo& port : metadata.inputs) WritePort(port, writer);
  for (const PortInfo& port : metadata.outputs) WritePort(port, writer);
}

Result<std::vector<Figure>> ParseStatsReply(std::span<const std::byte> body) {
  BodyReader reader(body);
  const auto count = reader.Read<uint32_t>();
  reader.Reserved(4);
  std::vector<Figure> figures;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    Figure figure;
    figure.kind = static_cast<FigureKind>(reader.Read<uint8_t>());
    reader.Reserved(1);
    const auto name_bytes = reader.Read<uint16_t>();
    const auto value_count = reader.Read<uint32_t>();
    const bool histogram = figure.kind == FigureKind::kHistogram;
    if (reader.ok() && (histogram ? value_count < 2 || value_count % 2 != 0 : value_count != 1)) {
      return BadField("STATS_REPLY", "value_count", value_count);
    }
    if (value_count > reader.Left() / 8) return BadField("STATS_REPLY", "value_count", value_count);
    figure.values.resize(value_count);
    for (uint64_t& value : figure.values) value = reader.Read<uint64_t>();
    figure.name = reader.Text(name_bytes);
    reader.Align8();
    figures.push_back(std::move(figure));
  }
  ERGO_RETURN_IF_ERROR(reader.Finish("STATS_REPLY"));
  return figures;
}

void AppendStatsReply(uint64_t request_id, std::span<const Figure> figures, Bytes& out) {
  FrameWriter writer(FrameType::kStatsReply, request_id, out);
  writer.Write(static_cast<uint32_t>(figures.size()));
  writer.Zeros(4);
  for (const Figure& figure : figures) {
    ERGO_CHECK_MSG(figure.name.size() <= 0xffff, "figure '{}'", figure.name);
    writer.Write(static_cast<uint8_t>(figure.kind));
    writer.Zeros(1);
    writer.Write(static_cast<uint16_t>(figure.name.size()));
    writer.Write(static_cast<uint32_t>(figure.values.size()));
    for (uint64_t value : figure.values) writer.Write(value);
    writer.Text(figure.name);
    writer.Align8();
  }
}

Result<GoAway> ParseGoAway(std::span<const std::byte> body) {
  BodyReader reader(body);
  GoAway go_away;
  go_away.reason = static_cast<GoAwayReason>(reader.Read<uint16_t>());
  reader.Reserved(2);
  go_away.grace_ms = reader.Read<uint32_t>();
  ERGO_RETURN_IF_ERROR(reader.Finish("GOAWAY"));
  return go_away;
}

void AppendGoAway(const GoAway& go_away, Bytes& out) {
  FrameWriter writer(FrameType::kGoAway, 0, out);
  writer.Write(static_cast<uint16_t>(go_away.reason));
  writer.Zeros(2);
  writer.Write(go_away.grace_ms);
}

}  // namespace ergo::native
