"""The client against a scripted server: order of answers, drain, loss, lies."""

import pathlib
import socket
import struct
import tempfile
import threading
import time
import unittest

import numpy as np

import ergo
from ergo import protocol
from ergo.protocol import FrameType

HELLO_ACK = struct.pack("<HHIIIQH38x", 1, 0, 1 << 20, 32, 0, 0, 4) + b"fake"
ENERGY_UNAVAILABLE = struct.pack(
    "<QQddQIIBBB13x", 0, 0, float("nan"), float("nan"), 0, 1, 1, 0, 0, 0
)


class FakeServer:
    """Accepts one connection and hands it to `script(connection, read_frame)` on a thread."""

    def __init__(self, script, family=socket.AF_INET, hello_ack=None):
        self.script = script
        self.hello_ack = hello_ack or protocol.encode_frame(FrameType.HELLO_ACK, 0, HELLO_ACK)
        self.listener = socket.socket(family)
        self.folder = tempfile.TemporaryDirectory()
        if family == socket.AF_UNIX:
            path = str(pathlib.Path(self.folder.name) / "socket")
            self.listener.bind(path)
            self.endpoint = f"unix://{path}"
        else:
            self.listener.bind(("127.0.0.1", 0))
            self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.listener.listen()
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            connection, _ = self.listener.accept()
            stream = connection.makefile("rb")

            def read_frame():
                data = stream.read(32)
                if not data:
                    return None, b""
                head = protocol.decode_header(data)
                return head, stream.read(head.body_bytes)

            head, _ = read_frame()
            assert head.type == FrameType.HELLO
            connection.sendall(self.hello_ack)
            self.script(connection, read_frame)
            stream.close()
            connection.close()
        except Exception as error:
            self.error = error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join(10)
        self.listener.close()
        self.folder.cleanup()
        if self.error is not None:
            raise self.error


def echo_result(request_id):
    return protocol.encode_frame(FrameType.RESULT, request_id, ENERGY_UNAVAILABLE)


X = np.zeros(4, np.float32)


class ClientTest(unittest.TestCase):
    def test_answers_in_reverse_order_reach_their_requests(self):
        def script(connection, read_frame):
            ids = [read_frame()[0].request_id for _ in range(20)]
            for request_id in reversed(ids):
                body = struct.pack("<HHIQ", 7, 3, request_id, 0) + b"bad"
                connection.sendall(protocol.encode_frame(FrameType.ERROR, request_id, body))
            read_frame()

        with FakeServer(script) as server, ergo.connect(server.endpoint) as client:
            futures = [client.submit("m", [X]) for _ in range(20)]
            codes = []
            for future in futures:
                with self.assertRaises(ergo.ServerError) as caught:
                    future.result(10)
                codes.append(caught.exception.retry_after_us)
            self.assertEqual(codes, sorted(codes))
            self.assertEqual(len(set(codes)), 20)
            self.assertEqual(caught.exception.name, "INVALID_INPUT")
            self.assertEqual(client.in_flight(), 0)

    def test_a_unix_socket_and_frames_in_single_bytes(self):
        def script(connection, read_frame):
            head, body = read_frame()
            assert head.type == FrameType.PING
            for byte in protocol.encode_frame(FrameType.PONG, head.request_id, body):
                connection.sendall(bytes([byte]))
            read_frame()

        with FakeServer(script, socket.AF_UNIX) as server, ergo.connect(server.endpoint) as client:
            self.assertGreater(client.ping(b"abc"), 0)
            self.assertEqual(client.granted.server, "fake")

    def test_large_payloads_while_answers_come(self):
        # The server answers only after it has read everything: the client's sends must not wait.
        count, size = 40, 100_000

        def script(connection, read_frame):
            heads = [read_frame()[0] for _ in range(count)]
            for head in heads:
                assert head.body_bytes >= 4 * size
                connection.sendall(echo_result(head.request_id))
            read_frame()

        with FakeServer(script) as server, ergo.connect(server.endpoint) as client:
            futures = [client.submit("m", [np.zeros(size, np.float32)]) for _ in range(count)]
            for future in futures:
                self.assertIsNone(future.result(10).energy.joules)

    def test_after_goaway_answers_still_come_and_then_it_ends(self):
        def script(connection, read_frame):
            ids = [read_frame()[0].request_id for _ in range(3)]
            goaway = struct.pack("<HHI", 1, 0, 1000)
            connection.sendall(protocol.encode_frame(FrameType.GOAWAY, 0, goaway))
            connection.sendall(echo_result(ids[0]) + echo_result(ids[1]))

        with FakeServer(script) as server, ergo.connect(server.endpoint) as client:
            futures = [client.submit("m", [X]) for _ in range(3)]
            futures[0].result(10)
            futures[1].result(10)
            with self.assertRaises(ergo.ConnectionLost) as caught:
                futures[2].result(10)
            self.assertIn("draining", str(caught.exception))
            self.assertTrue(client.draining)
            with self.assertRaises(ergo.ConnectionLost):
                client.ping()

    def test_extensions_are_skipped(self):
        def script(connection, read_frame):
            head, _ = read_frame()
            connection.sendall(header_of(0x93, 5) + b"hello" + echo_result(head.request_id))
            read_frame()

        def header_of(kind, size):
            return struct.pack("<4sBBHQIIQ", b"\xe7ERG", 1, kind, 0, 0, size, 0, 0)

        with FakeServer(script) as server, ergo.connect(server.endpoint) as client:
            self.assertEqual(client.infer("m", [X]).outputs, {})

    def test_lies_end_the_connection(self):
        for lie in [
            lambda i: echo_result(i + 1),  # an id that was never sent
            lambda i: protocol.encode_frame(FrameType.PONG, i),  # the wrong kind of answer
            lambda i: protocol.encode_frame(FrameType.RESULT, i, b"short"),
            lambda i: protocol.encode_frame(FrameType.RESULT, i, ENERGY_UNAVAILABLE, flags=0x80),
            lambda i: b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(32),
        ]:

            def script(connection, read_frame):
                connection.sendall(lie(read_frame()[0].request_id))
                read_frame()

            with FakeServer(script) as server, ergo.connect(server.endpoint) as client:
                with self.assertRaises(ergo.ProtocolError):
                    client.infer("m", [X])
                with self.assertRaises(ergo.ConnectionLost):
                    client.infer("m", [X])

    def test_an_error_instead_of_hello_ack(self):
        body = struct.pack("<HHIQ", 8, 4, 0, 0) + b"full"
        refusal = protocol.encode_frame(FrameType.ERROR, 0, body)
        with FakeServer(lambda *_: None, hello_ack=refusal) as server:
            with self.assertRaises(ergo.ServerError) as caught:
                ergo.connect(server.endpoint)
            self.assertEqual(caught.exception.name, "OVERLOADED")

    def test_timeouts_and_closing(self):
        def script(connection, read_frame):
            while read_frame()[0] is not None:
                pass

        with FakeServer(script) as server:
            client = ergo.connect(server.endpoint, timeout_s=0.05)
            with self.assertRaises(TimeoutError):
                client.infer("m", [X])
            future = client.submit("m", [X])
            begin_s = time.monotonic()
            client.close()
            self.assertLess(time.monotonic() - begin_s, 5)
            with self.assertRaises(ergo.ConnectionLost):
                future.result(10)

    def test_what_the_server_does_not_take_is_not_sent(self):
        with FakeServer(lambda _, read_frame: read_frame()) as server:
            with ergo.connect(server.endpoint) as client, self.assertRaises(ValueError):
                client.infer("m", [np.zeros(1 << 20, np.float32)])

    def test_endpoints(self):
        for endpoint in ["", "tcp://", "tcp://host", "http://a:1", "unix://", "tcp://a:1/x", "a:1"]:
            with self.assertRaises(ValueError):
                ergo.connect(endpoint)
        for endpoint in ["unix:///nonexistent/socket", "tcp://127.0.0.1:1"]:
            with self.assertRaises(ergo.ConnectionLost) as caught:
                ergo.connect(endpoint)
            self.assertIn(endpoint, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
