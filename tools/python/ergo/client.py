"""Client: one connection to an Ergo server, many requests in flight."""

import concurrent.futures
import dataclasses
import itertools
import socket
import threading
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union
from urllib.parse import urlsplit

from . import protocol
from .protocol import FrameType, ProtocolError, ServerError, TensorLike

RECEIVE_BYTES = 1 << 16


class ConnectionLost(ConnectionError):
    """The connection ended before the answer came, or could not be made."""


@dataclasses.dataclass(frozen=True)
class Result:
    """An answer. `result["name"]` is an output; arrays are views of the answer's bytes."""

    outputs: Dict[str, TensorLike]
    queue_us: float
    compute_us: float
    round_trip_us: float  # from submit to the answer, as this client saw it
    energy: protocol.Energy
    batch_size: int
    model_version: int

    def __getitem__(self, name: str) -> TensorLike:
        return self.outputs[name]


@dataclasses.dataclass
class _Pending:
    answer: FrameType
    decode: Callable[[bytes, int], object]
    future: concurrent.futures.Future


def connect(
    endpoint: str,
    connect_timeout_s: float = 5.0,
    timeout_s: Optional[float] = 60.0,
    max_in_flight: int = 0,
) -> "Client":
    """Connects to "tcp://HOST:PORT" or "unix://PATH" and shakes hands.

    `timeout_s` bounds each blocking call (None: for ever); `max_in_flight` is asked of the server
    (0: its choice). ConnectionLost names the endpoint and the cause.
    """
    return Client(endpoint, connect_timeout_s, timeout_s, max_in_flight)


class Client:
    """See `connect`. May be used by many threads at once; is a context manager."""

    def __init__(
        self,
        endpoint: str,
        connect_timeout_s: float,
        timeout_s: Optional[float],
        max_in_flight: int,
    ):
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._pending: Dict[int, _Pending] = {}
        self._state = threading.Lock()  # guards _pending, _lost
        self._sending = threading.Lock()  # one frame at a time
        self._lost: Optional[Exception] = None
        self._goaway: Optional[str] = None
        self._buffered = bytearray()
        try:
            self._socket = _open(endpoint, connect_timeout_s)
        except OSError as error:
            raise ConnectionLost(f"{endpoint}: {error}") from error
        try:
            self._socket.sendall(protocol.encode_hello(max_in_flight=max_in_flight))
            self.granted = self._receive_hello_ack()
            self._socket.settimeout(None)
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError) and not isinstance(error, ConnectionLost):
                raise ConnectionLost(f"{endpoint}: {error}") from error
            raise
        self._reader = threading.Thread(target=self._receive, daemon=True, name="ergo-client")
        self._reader.start()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def infer(
        self,
        model: str,
        inputs: Union[Dict[str, TensorLike], Sequence[TensorLike]],
        version: int = 0,
        deadline_us: int = 0,
        priority: int = 0,
    ) -> Result:
        """Runs a model. `inputs` by name, or in the model's order; `version` 0 is the highest.

        `deadline_us`: for how long from its receipt the answer is of use (0: no limit). ServerError
        for an ERROR answer, ConnectionLost, TimeoutError after `timeout_s`.
        """
        return self._wait(self.submit(model, inputs, version, deadline_us, priority))

    def submit(
        self,
        model: str,
        inputs: Union[Dict[str, TensorLike], Sequence[TensorLike]],
        version: int = 0,
        deadline_us: int = 0,
        priority: int = 0,
    ) -> "concurrent.futures.Future[Result]":
        """As `infer`, without waiting. Returns when the request is handed to the system, which
        takes a while where the server is busy; `inputs` are no longer needed then."""
        begin_s = time.perf_counter()

        def decode(body: bytes, flags: int) -> Result:
            frame = protocol.decode_result(body, flags)
            return Result(
                frame.outputs,
                frame.queue_ns * 1e-3,
                frame.compute_ns * 1e-3,
                (time.perf_counter() - begin_s) * 1e6,
                frame.energy,
                frame.batch_size,
                frame.model_version,
            )

        request_id = next(self._ids)
        pieces = protocol.encode_infer(request_id, model, inputs, version, deadline_us, priority)
        return self._request(request_id, pieces, FrameType.RESULT, decode)

    def metadata(self, model: str, version: int = 0) -> protocol.Metadata:
        """Names, types and shapes of a model's inputs and outputs."""
        request_id = next(self._ids)
        frame = protocol.encode_metadata(request_id, model, version)
        decode = _without_flags(protocol.decode_metadata)
        return self._wait(self._request(request_id, [frame], FrameType.METADATA_REPLY, decode))

    def models(self) -> List[protocol.ModelEntry]:
        return self._ask(
            FrameType.MODEL_LIST, FrameType.MODEL_LIST_REPLY, protocol.decode_model_list
        )

    def health(self) -> protocol.Health:
        return self._ask(FrameType.HEALTH, FrameType.HEALTH_REPLY, protocol.decode_health)

    def stats(self) -> Dict[str, protocol.Figure]:
        return self._ask(FrameType.STATS, FrameType.STATS_REPLY, protocol.decode_stats)

    def ping(self, body: bytes = b"") -> float:
        """Seconds to the server and back."""
        if len(body) > protocol.MAX_PING_BYTES:
            raise ValueError(f"a PING carries at most {protocol.MAX_PING_BYTES} bytes")
        begin_s = time.perf_counter()
        echo = self._ask(FrameType.PING, FrameType.PONG, bytes, body)
        if echo != body:
            raise ProtocolError("PONG: another body than that of PING")
        return time.perf_counter() - begin_s

    @property
    def draining(self) -> bool:
        """True once the server said that it stops: collect the answers, submit no more."""
        return self._goaway is not None

    def in_flight(self) -> int:
        with self._state:
            return len(self._pending)

    def finish_sending(self) -> None:
        """Ends the sending direction; answers to what was sent still come."""
        with self._sending:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # lost already: the reader tells

    def close(self) -> None:
        """Requests still in flight end in ConnectionLost."""
        self._fail(ConnectionLost("closed by this client"))
        if threading.current_thread() is not self._reader:
            self._reader.join()
        self._socket.close()

    def _ask(self, kind: FrameType, answer: FrameType, decode, body: bytes = b""):
        request_id = next(self._ids)
        frame = protocol.encode_frame(kind, request_id, body)
        return self._wait(self._request(request_id, [frame], answer, _without_flags(decode)))

    def _wait(self, future: concurrent.futures.Future):
        try:
            return future.result(self.timeout_s)
        except concurrent.futures.TimeoutError:
            raise TimeoutError(f"{self.endpoint}: no answer within {self.timeout_s} s") from None

    def _request(
        self, request_id: int, pieces: Sequence, answer: FrameType, decode
    ) -> concurrent.futures.Future:
        future: concurrent.futures.Future = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # what is sent cannot be taken back
        size = sum(memoryview(piece).nbytes for piece in pieces) - protocol.HEADER_BYTES
        if size > self.granted.max_body_bytes:
            raise ValueError(
                f"a body of {size} bytes: the server takes {self.granted.max_body_bytes} at most"
            )
        with self._state:
            if self._lost is not None:
                raise ConnectionLost(f"{self.endpoint}: {self._lost}")
            self._pending[request_id] = _Pending(answer, decode, future)
        try:
            with self._sending:
                _send_all(self._socket, pieces)
        except OSError:
            # Not the end yet: answers to earlier requests, and why the server closed, may be on
            # their way. The reader meets the end of the stream and fails what is left.
            pass
        return future

    def _receive_hello_ack(self) -> protocol.Granted:
        header, body = self._read_frame()
        if header.type == FrameType.ERROR:
            raise protocol.decode_error(body)
        if header.type != FrameType.HELLO_ACK:
            raise ProtocolError(f"frame type 0x{header.type:02x} instead of HELLO_ACK")
        return protocol.decode_hello_ack(body)

    def _read_frame(self) -> Tuple[protocol.Header, bytes]:
        header = protocol.decode_header(self._read(protocol.HEADER_BYTES))
        return header, self._read(header.body_bytes)

    def _read(self, size: int) -> bytes:
        while len(self._buffered) < size:
            got = self._socket.recv(max(RECEIVE_BYTES, size - len(self._buffered)))
            if not got:
                raise ConnectionLost(
                    f"{self.endpoint}: the server closed the connection"
                    + (f" ({self._goaway})" if self._goaway else "")
                )
            self._buffered += got
        data = bytes(self._buffered[:size])
        del self._buffered[:size]
        return data

    def _receive(self) -> None:
        try:
            while True:
                self._take(*self._read_frame())
        except (OSError, ProtocolError, ServerError) as error:
            self._fail(error)

    def _take(self, header: protocol.Header, body: bytes) -> None:
        if header.type >= protocol.FIRST_EXTENSION_TYPE:
            return
        known = protocol.FLAG_NAMES if header.type == FrameType.RESULT else 0
        if header.flags & protocol.MUST_UNDERSTAND_FLAGS & ~known:
            raise ProtocolError(f"flags 0x{header.flags:04x}")
        if header.type == FrameType.GOAWAY:
            self._goaway, _ = protocol.decode_goaway(body)
            return
        if header.type == FrameType.ERROR and header.request_id == 0:
            raise protocol.decode_error(body)
        with self._state:
            pending = self._pending.pop(header.request_id, None)
        if pending is None:
            if self._lost is not None:
                return  # given up by close
            raise ProtocolError(f"an answer to request {header.request_id}, which is not in flight")
        try:
            if header.type == FrameType.ERROR:
                raise protocol.decode_error(body)
            if header.type != pending.answer:
                raise ProtocolError(f"type 0x{header.type:02x} instead of {pending.answer.name}")
            pending.future.set_result(pending.decode(body, header.flags))
        except ServerError as error:
            pending.future.set_exception(error)
        except ProtocolError:
            with self._state:
                self._pending[header.request_id] = pending  # fails with the others
            raise

    def _fail(self, error: Exception) -> None:
        with self._state:
            if self._lost is None:
                self._lost = error
            left, self._pending = list(self._pending.values()), {}
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # ended already
        for pending in left:
            lost = error if isinstance(error, ProtocolError) else ConnectionLost(str(error))
            pending.future.set_exception(lost)


def _without_flags(decode):
    return lambda body, flags: decode(body)


def _open(endpoint: str, timeout_s: float) -> socket.socket:
    scheme, _, rest = endpoint.partition("://")
    if scheme == "unix" and rest:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(rest)
        except BaseException:
            connection.close()
            raise
        return connection
    parts = urlsplit(endpoint)
    if scheme != "tcp" or parts.hostname is None or parts.port is None or parts.path:
        raise ValueError(f"'{endpoint}' is neither tcp://HOST:PORT nor unix://PATH")
    connection = socket.create_connection((parts.hostname, parts.port), timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


# What sendmsg takes at once (IOV_MAX).
MAX_PIECES = 512


def _send_all(connection: socket.socket, pieces: Sequence) -> None:
    left = [view for piece in pieces if (view := memoryview(piece).cast("B")).nbytes]
    while left:
        sent = connection.sendmsg(left[:MAX_PIECES])
        while left and sent >= left[0].nbytes:
            sent -= left.pop(0).nbytes
        if sent:
            left[0] = left[0][sent:]
