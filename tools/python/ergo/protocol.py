"""The native protocol, version 1, without sockets: bytes to objects and back.

Written from server/protocol/native/PROTOCOL.md alone; section names there are used here. Decoders
check what the document fixes and raise ProtocolError for everything else.
"""

import dataclasses
import enum
import math
import struct
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

MAGIC = b"\xe7ERG"
VERSION = 1
HEADER_BYTES = 32
BLOCK_BYTES = 64
DESCRIPTOR_BYTES = 64
INDEX_BY_NAME = 0xFFFF
RANK_UNKNOWN = 0xFF
MAX_TENSORS = 32
MAX_RANK = 8
MAX_NAME_BYTES = 256
MAX_ERROR_TEXT_BYTES = 1024
MAX_PING_BYTES = 1024
FLAG_NAMES = 1
MUST_UNDERSTAND_FLAGS = 0x00FF
FIRST_EXTENSION_TYPE = 0x80


class FrameType(enum.IntEnum):
    HELLO = 0x01
    HELLO_ACK = 0x02
    INFER = 0x10
    RESULT = 0x11
    ERROR = 0x12
    MODEL_LIST = 0x20
    MODEL_LIST_REPLY = 0x21
    METADATA = 0x22
    METADATA_REPLY = 0x23
    HEALTH = 0x24
    HEALTH_REPLY = 0x25
    STATS = 0x26
    STATS_REPLY = 0x27
    PING = 0x30
    PONG = 0x31
    GOAWAY = 0x40


class ErrorCode(enum.IntEnum):
    MALFORMED = 1
    UNSUPPORTED_VERSION = 2
    UNSUPPORTED = 3
    TOO_LARGE = 4
    TIMEOUT = 5
    MODEL_NOT_FOUND = 6
    INVALID_INPUT = 7
    OVERLOADED = 8
    DEADLINE_EXCEEDED = 9
    DRAINING = 10
    INTERNAL = 11
    RESULT_TOO_LARGE = 12


class ProtocolError(Exception):
    """The other side sent bytes that break the protocol."""


class ServerError(Exception):
    """The server's answer to a request is an ERROR."""

    def __init__(self, code: int, text: str, retry_after_us: int = 0, queue_ns: int = 0):
        self.code = code
        try:
            self.name = ErrorCode(code).name
        except ValueError:
            self.name = ErrorCode.INTERNAL.name
        self.text = text
        self.retry_after_us = retry_after_us
        self.queue_ns = queue_ns
        super().__init__(f"{self.name}: {text}")


def pad8(n: int) -> int:
    return -(-n // 8) * 8


def pad64(n: int) -> int:
    return -(-n // 64) * 64


# Element types: number -> (name, bits). Those that NumPy has come and go as arrays, the others as
# RawTensor.
DTYPES = {
    1: ("float32", 32),
    2: ("uint8", 8),
    3: ("int8", 8),
    4: ("uint16", 16),
    5: ("int16", 16),
    6: ("int32", 32),
    7: ("int64", 64),
    9: ("bool", 8),
    10: ("float16", 16),
    11: ("float64", 64),
    12: ("uint32", 32),
    13: ("uint64", 64),
    16: ("bfloat16", 16),
    17: ("float8e4m3fn", 8),
    18: ("float8e4m3fnuz", 8),
    19: ("float8e5m2", 8),
    20: ("float8e5m2fnuz", 8),
    21: ("uint4", 4),
    22: ("int4", 4),
    23: ("float4e2m1", 4),
    24: ("float8e8m0", 8),
    25: ("uint2", 2),
    26: ("int2", 2),
}
_FIRST_WITHOUT_NUMPY = 16
_NUMBER_OF_NUMPY = {
    np.dtype(name): number for number, (name, _) in DTYPES.items() if number < _FIRST_WITHOUT_NUMPY
}


@dataclasses.dataclass(frozen=True)
class RawTensor:
    """A tensor of a type that NumPy lacks, as it stands on the wire."""

    dtype: int  # number of the element type
    shape: Tuple[int, ...]
    data: bytes


TensorLike = Union[np.ndarray, RawTensor]


@dataclasses.dataclass(frozen=True)
class Header:
    type: int
    flags: int
    request_id: int
    body_bytes: int


_HEADER = struct.Struct("<4sBBHQIIQ")


def encode_frame(kind: FrameType, request_id: int, body: bytes = b"", flags: int = 0) -> bytes:
    return _HEADER.pack(MAGIC, VERSION, kind, flags, request_id, len(body), 0, 0) + body


def decode_header(data: bytes) -> Header:
    magic, version, kind, flags, request_id, body_bytes, zero4, zero8 = _HEADER.unpack(data)
    _check(magic == MAGIC, f"magic: {magic.hex()}")
    _check(version == VERSION, f"version: {version}")
    _check(zero4 == 0 and zero8 == 0, "header: a reserved field is not 0")
    return Header(kind, flags, request_id, body_bytes)


# HELLO


@dataclasses.dataclass(frozen=True)
class Granted:
    """What HELLO_ACK grants."""

    version: int
    max_body_bytes: int
    max_in_flight: int
    idle_timeout_ms: int
    features: int
    server: str


_HELLO = struct.Struct("<HHIIIQHH36x")
_HELLO_ACK = struct.Struct("<HHIIIQH38s")


def encode_hello(
    max_body_bytes: int = 0, max_in_flight: int = 0, idle_timeout_ms: int = 0
) -> bytes:
    body = _HELLO.pack(VERSION, VERSION, max_body_bytes, max_in_flight, idle_timeout_ms, 0, 0, 0)
    return encode_frame(FrameType.HELLO, 0, body)


def decode_hello_ack(body: bytes) -> Granted:
    reader = _Reader(body)
    version, zero2, max_body, in_flight, idle, features, name_bytes, zeros = reader.fixed(
        _HELLO_ACK
    )
    _check(zero2 == 0 and not any(zeros), "HELLO_ACK: a reserved field is not 0")
    _check(version == VERSION, f"HELLO_ACK: version {version}")
    granted = Granted(version, max_body, in_flight, idle, features, reader.text(name_bytes))
    reader.end("HELLO_ACK")
    return granted


# INFER and RESULT

_INFER = struct.Struct("<QIbBH48x")
_RESULT = struct.Struct("<QQddQIIBBB13s")
_DESCRIPTOR = struct.Struct("<BBHHHQQ8IQ")


def _as_wire(value) -> Tuple[int, Tuple[int, ...], memoryview]:
    """Number of the type, shape, bytes."""
    if isinstance(value, RawTensor):
        expected = _payload_bytes(value.dtype, value.shape)
        if len(value.data) != expected:
            raise ValueError(f"a RawTensor of {len(value.data)} bytes, {expected} expected")
        return value.dtype, value.shape, memoryview(value.data)
    array = np.asarray(value)
    dtype = array.dtype.newbyteorder("=")
    if dtype not in _NUMBER_OF_NUMPY:
        raise ValueError(f"arrays of {array.dtype} cannot be sent")
    dense = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    # A view of bytes, also of what has no elements.
    return _NUMBER_OF_NUMPY[dtype], array.shape, memoryview(dense.reshape(-1).view(np.uint8))


def _payload_bytes(dtype: int, shape: Sequence[int]) -> int:
    if dtype not in DTYPES:
        raise ValueError(f"no element type has the number {dtype}")
    return -(-math.prod(shape) * DTYPES[dtype][1] // 8)


def encode_infer(
    request_id: int,
    model: str,
    inputs: Union[Dict[str, TensorLike], Sequence[TensorLike]],
    version: int = 0,
    deadline_us: int = 0,
    priority: int = 0,
) -> List[memoryview]:
    """The frame in pieces, the payloads not copied. Inputs by name, or in the model's order."""
    named = list(inputs.items()) if isinstance(inputs, dict) else [("", x) for x in inputs]
    if len(named) > MAX_TENSORS:
        raise ValueError(f"{len(named)} inputs are more than {MAX_TENSORS}")
    model_name = _name(model, "the model's name")
    names = model_name
    tensors = []
    for index, (name, value) in enumerate(named):
        wire_name = b"" if not isinstance(inputs, dict) else _name(name, "an input's name")
        tensors.append((INDEX_BY_NAME if wire_name else index, wire_name, _as_wire(value)))
        names += wire_name
    at = BLOCK_BYTES + DESCRIPTOR_BYTES * len(tensors) + len(names)
    fixed = [_INFER.pack(deadline_us, version, priority, len(tensors), len(model_name))]
    payloads = []
    for index, wire_name, (dtype, shape, data) in tensors:
        if len(shape) > MAX_RANK:
            raise ValueError(f"rank {len(shape)} is more than {MAX_RANK}")
        offset = pad64(at)
        dims = tuple(shape) + (0,) * (MAX_RANK - len(shape))
        fixed.append(
            _DESCRIPTOR.pack(
                dtype, len(shape), index, len(wire_name), 0, offset, data.nbytes, *dims, 0
            )
        )
        payloads += [memoryview(bytes(offset - at)), data]
        at = offset + data.nbytes
    header = _HEADER.pack(MAGIC, VERSION, FrameType.INFER, FLAG_NAMES, request_id, at, 0, 0)
    return [memoryview(header + b"".join(fixed) + names), *payloads]


class EnergySource(enum.IntEnum):
    UNAVAILABLE = 0
    MEASURED = 1
    MODELLED = 2


class EnergyShare(enum.IntEnum):
    NONE = 0
    PROCESSOR_TIME = 1
    WHOLE_WINDOW = 2


@dataclasses.dataclass(frozen=True)
class Energy:
    """A request's share of the energy. `joules` is None where there is no meter, never 0."""

    joules: Optional[float]
    source: EnergySource
    share: EnergyShare
    relative_error: Optional[float]
    window_s: float

    def __str__(self):
        if self.joules is None:
            return "unavailable"
        error = "" if self.relative_error is None else f" +-{self.relative_error:.0%}"
        return f"{self.joules * 1e6:.4g} uJ{error} ({self.source.name.lower()})"


@dataclasses.dataclass(frozen=True)
class ResultFrame:
    queue_ns: int
    compute_ns: int
    energy: Energy
    batch_size: int
    model_version: int
    outputs: Dict[str, TensorLike]  # by name, in the model's order; by "0", "1" without names


def decode_result(body: bytes, flags: int) -> ResultFrame:
    reader = _Reader(body)
    queue_ns, compute_ns, joules, error, window_ns, batch_size, model_version = (
        fields := reader.fixed(_RESULT)
    )[:7]
    source, share, count, zeros = fields[7:]
    _check(not any(zeros), "RESULT: a reserved field is not 0")
    _check(count <= MAX_TENSORS, f"RESULT: {count} tensors")
    _check(source in iter(EnergySource), f"RESULT: energy_source {source}")
    _check(share in iter(EnergyShare), f"RESULT: energy_share {share}")
    descriptors = [reader.fixed(_DESCRIPTOR) for _ in range(count)]
    with_names = bool(flags & FLAG_NAMES)
    names = []
    for index, descriptor in enumerate(descriptors):
        _check(descriptor[2] == index, f"RESULT: output {index} has index {descriptor[2]}")
        _check(with_names or descriptor[3] == 0, "RESULT: a name without the flag NAMES")
        names.append(reader.text(descriptor[3]) if with_names else str(index))
    tensors = [_decode_tensor(body, reader, descriptor) for descriptor in descriptors]
    reader.end("RESULT")
    available = source != EnergySource.UNAVAILABLE
    _check(available == (not math.isnan(joules)), "RESULT: joules do not fit energy_source")
    energy = Energy(
        joules if available else None,
        EnergySource(source),
        EnergyShare(share),
        None if math.isnan(error) else error,
        window_ns * 1e-9,
    )
    outputs = dict(zip(names, tensors))
    _check(len(outputs) == count, "RESULT: two outputs of one name")
    return ResultFrame(queue_ns, compute_ns, energy, batch_size, model_version, outputs)


def _decode_tensor(body: bytes, reader: "_Reader", descriptor) -> TensorLike:
    dtype, rank, _, _, placement, offset, size = descriptor[:7]
    dims, zero8 = descriptor[7:15], descriptor[15]
    _check(dtype in DTYPES, f"descriptor: dtype {dtype}")
    _check(rank <= MAX_RANK, f"descriptor: rank {rank}")
    _check(placement == 0, f"descriptor: placement {placement}")
    _check(not any(dims[rank:]) and zero8 == 0, "descriptor: a reserved field is not 0")
    shape = dims[:rank]
    _check(size == _payload_bytes(dtype, shape), f"descriptor: {size} bytes for {shape}")
    reader.skip_to(pad64(reader.at))
    _check(offset == reader.at, f"descriptor: payload at {offset}, {reader.at} expected")
    reader.skip_to(offset + size)
    if dtype >= _FIRST_WITHOUT_NUMPY:
        return RawTensor(dtype, tuple(shape), bytes(body[offset : offset + size]))
    type_here = np.dtype(DTYPES[dtype][0]).newbyteorder("<")
    count = math.prod(shape)
    return np.frombuffer(body, type_here, count, offset if count else 0).reshape(shape)


# ERROR

_ERROR = struct.Struct("<HHIQ")


def decode_error(body: bytes) -> ServerError:
    reader = _Reader(body)
    code, text_bytes, retry_after_us, queue_ns = reader.fixed(_ERROR)
    _check(text_bytes <= MAX_ERROR_TEXT_BYTES, f"ERROR: {text_bytes} bytes of text")
    error = ServerError(code, reader.text(text_bytes), retry_after_us, queue_ns)
    reader.end("ERROR")
    return error


# HEALTH


@dataclasses.dataclass(frozen=True)
class Health:
    state: str  # "ready" or "draining"
    models: int
    connections: int
    requests_in_flight: int
    uptime_s: float


_HEALTH = struct.Struct("<B3sIIIQQ")
_HEALTH_STATES = {1: "ready", 2: "draining"}


def decode_health(body: bytes) -> Health:
    reader = _Reader(body)
    state, zeros, models, connections, in_flight, uptime_ns, zero8 = reader.fixed(_HEALTH)
    _check(not any(zeros) and zero8 == 0, "HEALTH_REPLY: a reserved field is not 0")
    _check(state in _HEALTH_STATES, f"HEALTH_REPLY: state {state}")
    reader.end("HEALTH_REPLY")
    return Health(_HEALTH_STATES[state], models, connections, in_flight, uptime_ns * 1e-9)


# MODEL_LIST


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    name: str
    version: int
    state: str  # "ready"


_COUNT = struct.Struct("<II")
_MODEL_ENTRY = struct.Struct("<IBBH")
_MODEL_STATES = {1: "ready"}


def decode_model_list(body: bytes) -> List[ModelEntry]:
    reader = _Reader(body)
    count, zero4 = reader.fixed(_COUNT)
    _check(zero4 == 0, "MODEL_LIST_REPLY: a reserved field is not 0")
    entries = []
    for _ in range(count):
        version, state, zero1, name_bytes = reader.fixed(_MODEL_ENTRY)
        _check(zero1 == 0, "MODEL_LIST_REPLY: a reserved field is not 0")
        _check(state in _MODEL_STATES, f"MODEL_LIST_REPLY: state {state}")
        entries.append(ModelEntry(reader.text(name_bytes), version, _MODEL_STATES[state]))
        reader.skip_to(pad8(reader.at))
    reader.end("MODEL_LIST_REPLY")
    return entries


# METADATA


@dataclasses.dataclass(frozen=True)
class Port:
    name: str
    dtype: str
    # A number, a symbol's name, or None for each dimension; None altogether when not even the rank
    # is known before a run.
    shape: Optional[Tuple[Union[int, str, None], ...]]


@dataclasses.dataclass(frozen=True)
class Metadata:
    name: str
    version: int
    inputs: Tuple[Port, ...]
    outputs: Tuple[Port, ...]


_METADATA = struct.Struct("<IHH")
_METADATA_REPLY = struct.Struct("<IHBB")
_PORT = struct.Struct("<BBHI")


def encode_metadata(request_id: int, model: str, version: int = 0) -> bytes:
    name = _name(model, "the model's name")
    return encode_frame(
        FrameType.METADATA, request_id, _METADATA.pack(version, len(name), 0) + name
    )


def decode_metadata(body: bytes) -> Metadata:
    reader = _Reader(body)
    version, name_bytes, input_count, output_count = reader.fixed(_METADATA_REPLY)
    name = reader.text(name_bytes)
    reader.skip_to(pad8(reader.at))
    ports = [_decode_port(reader) for _ in range(input_count + output_count)]
    reader.end("METADATA_REPLY")
    return Metadata(name, version, tuple(ports[:input_count]), tuple(ports[input_count:]))


def _decode_port(reader: "_Reader") -> Port:
    dtype, rank, name_bytes, zero4 = reader.fixed(_PORT)
    _check(zero4 == 0, "METADATA_REPLY: a reserved field is not 0")
    _check(dtype in DTYPES, f"METADATA_REPLY: dtype {dtype}")
    _check(rank <= MAX_RANK or rank == RANK_UNKNOWN, f"METADATA_REPLY: rank {rank}")
    known_rank = 0 if rank == RANK_UNKNOWN else rank
    dims = reader.fixed(struct.Struct(f"<{known_rank}q"))
    symbol_bytes = reader.fixed(struct.Struct(f"<{known_rank}H"))
    name = reader.text(name_bytes)
    symbols = [reader.text(n) for n in symbol_bytes]
    reader.skip_to(pad8(reader.at))
    _check(all(dim >= -1 for dim in dims), f"METADATA_REPLY: dims {dims}")
    shape = tuple(dim if dim >= 0 else symbol or None for dim, symbol in zip(dims, symbols))
    return Port(name, DTYPES[dtype][0], None if rank == RANK_UNKNOWN else shape)


# STATS


@dataclasses.dataclass(frozen=True)
class Figure:
    kind: str  # "counter", "gauge" or "histogram"
    value: int  # of a histogram: how many samples
    total: int = 0  # of a histogram: the samples' sum
    buckets: Tuple[Tuple[int, int], ...] = ()  # (inclusive upper bound, samples), ascending


_FIGURE = struct.Struct("<BBHI")
_FIGURE_KINDS = {1: "counter", 2: "gauge", 3: "histogram"}


def decode_stats(body: bytes) -> Dict[str, Figure]:
    reader = _Reader(body)
    count, zero4 = reader.fixed(_COUNT)
    _check(zero4 == 0, "STATS_REPLY: a reserved field is not 0")
    figures = {}
    for _ in range(count):
        kind, zero1, name_bytes, value_count = reader.fixed(_FIGURE)
        _check(zero1 == 0, "STATS_REPLY: a reserved field is not 0")
        _check(kind in _FIGURE_KINDS, f"STATS_REPLY: kind {kind}")
        histogram = kind == 3
        fits = value_count >= 2 and value_count % 2 == 0 if histogram else value_count == 1
        _check(fits, f"STATS_REPLY: {value_count} values")
        _check(8 * value_count <= len(body) - reader.at, "STATS_REPLY: values beyond the end")
        values = reader.fixed(struct.Struct(f"<{value_count}Q"))
        name = reader.text(name_bytes)
        reader.skip_to(pad8(reader.at))
        total = values[1] if histogram else 0
        buckets = tuple(zip(values[2::2], values[3::2]))
        figures[name] = Figure(_FIGURE_KINDS[kind], values[0], total, buckets)
    reader.end("STATS_REPLY")
    return figures


# GOAWAY

_GOAWAY = struct.Struct("<HHI")
_GOAWAY_REASONS = {1: "draining", 2: "idle"}


def decode_goaway(body: bytes) -> Tuple[str, int]:
    """The reason, and for how many ms the server waits after the last answer."""
    reader = _Reader(body)
    reason, zero2, grace_ms = reader.fixed(_GOAWAY)
    _check(zero2 == 0, "GOAWAY: a reserved field is not 0")
    reader.end("GOAWAY")
    return _GOAWAY_REASONS.get(reason, f"reason {reason}"), grace_ms


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ProtocolError(message)


def _name(text: str, what: str) -> bytes:
    name = text.encode()
    if not 1 <= len(name) <= MAX_NAME_BYTES:
        raise ValueError(f"{what} is {len(name)} bytes long, 1 to {MAX_NAME_BYTES} are allowed")
    return name


class _Reader:
    def __init__(self, body: bytes):
        self.body = body
        self.at = 0

    def fixed(self, layout: struct.Struct):
        begin = self.at
        self.skip_to(begin + layout.size)
        return layout.unpack_from(self.body, begin)

    def text(self, size: int) -> str:
        begin = self.at
        self.skip_to(begin + size)
        try:
            return bytes(self.body[begin : self.at]).decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"text at {begin} is not UTF-8") from error

    def skip_to(self, at: int) -> None:
        _check(at <= len(self.body), f"the body of {len(self.body)} bytes ends before byte {at}")
        self.at = at

    def end(self, what: str) -> None:
        left = len(self.body) - self.at
        _check(left == 0, f"{what}: {left} bytes after its end")
