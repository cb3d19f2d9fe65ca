"""The codec against bytes written by hand from PROTOCOL.md, and against broken bytes."""

import random
import unittest

import numpy as np

from ergo import protocol
from ergo.protocol import EnergyShare, EnergySource, ProtocolError
from hexadecimal import from_hex, header

RESULT_BLOCK = (
    "e8 03 00*6 | d0 07 00*6 | 00*6 e0 3f | 00*6 d0 3f | 00 ca 9a 3b 00*4 |"
    "04 00 00 00 | 02 00 00 00 | 01 01 01 00*13 |"
)
RESULT = from_hex(
    RESULT_BLOCK + "06 02 00 00 | 01 00 00 00 | c0 00*7 | 08 00*7 | 01 00*3 02 00*3 00*24 | 00*8 |"
    "79 00*63 | 2a 00 00 00 ff ff ff ff"
)
METADATA_REPLY = from_hex(
    "03 00 00 00 | 02 00 | 01 02 | 6d 6e 00*6 |"
    # "x" float32 [batch, -1, 8]
    "01 03 01 00 00*4 | ff*8 | ff*8 | 08 00*7 | 05 00 00 00 00 00 | 78 62 61 74 63 68 | 00*4 |"
    # "y" int64, a scalar; "z" float16, rank unknown
    "07 00 01 00 00*4 | 79 00*7 |"
    "0a ff 01 00 00*4 | 7a 00*7"
)
STATS_REPLY = from_hex(
    "02 00 00 00 00*4 |"
    "01 00 08 00 | 01 00 00 00 | 07 00*7 | 72 65 71 75 65 73 74 73 |"
    "03 00 02 00 | 06 00 00 00 | 03 00*7 | 1e 00*7 | 0a 00*7 | 02 00*7 | 14 00*7 | 01 00*7 |"
    "6e 73 00*6"
)


class Encoding(unittest.TestCase):
    def test_hello(self):
        want = header(0x01, 0, 0, 64) + from_hex("01 00 01 00 | 00*4 | 20 00*3 | 00*4 | 00*48")
        self.assertEqual(protocol.encode_hello(max_in_flight=32), want)

    def test_infer_is_the_example_of_the_document(self):
        want = from_hex(
            "e7 45 52 47  01  10  01 00 | 07 00*7 | c9 00 00 00 00*4 | 00*8 |"
            "88 13 00*6 | 00*4 | 00 01 01 00 | 00*48 |"
            "01 01 ff ff 01 00 00 00 | c0 00*7 | 08 00*7 | 02 00*3 00*28 | 00*8 |"
            "6d 61 00*62 | 00 00 80 3f 00 00 00 40"
        ).replace(b"\xc9", b"\xc8", 1)
        x = np.array([1.0, 2.0], np.float32)
        pieces = protocol.encode_infer(7, "m", {"a": x}, deadline_us=5000)
        self.assertEqual(b"".join(pieces), want)
        # By position: index 0 instead of the name.
        want = want.replace(b"\x01\x01\xff\xff\x01", b"\x01\x01\x00\x00\x00").replace(b"ma", b"m\0")
        pieces = protocol.encode_infer(7, "m", [x], deadline_us=5000)
        self.assertEqual(b"".join(pieces), want)

    def test_infer_with_two_inputs_version_and_priority(self):
        want = header(0x10, 1, 9, 328) + from_hex(
            "00*8 | 02 00 00 00 | ff 02 03 00 | 00*48 |"
            "03 01 ff ff | 02 00 00 00 | 00 01 00*6 | 03 00*7 | 03 00*3 00*28 | 00*8 |"
            "0b 00 ff ff | 01 00 00 00 | 40 01 00*6 | 08 00*7 | 00*32 | 00*8 |"
            "6d 6e 6f 61 62 63 00*58 | 01 02 ff 00*61 | 00*6 f0 3f"
        )
        inputs = {"ab": np.array([1, 2, -1], np.int8), "c": np.float64(1.0)}
        pieces = protocol.encode_infer(9, "mno", inputs, version=2, priority=-1)
        self.assertEqual(b"".join(pieces), want)

    def test_every_numpy_type_big_endian_strided_and_empty(self):
        for number, (name, bits) in protocol.DTYPES.items():
            if number >= 16:
                continue
            array = np.arange(6).reshape(2, 3).astype(name)
            transposed_big = array.T.astype(array.dtype.newbyteorder(">"))
            for value, shape in [(transposed_big, (3, 2)), (array[:0], (0, 3))]:
                frame = b"".join(protocol.encode_infer(1, "m", [value]))
                payload = np.ascontiguousarray(value.astype(array.dtype)).tobytes()
                self.assertEqual(frame[32 + 64], number)
                self.assertEqual(frame[32 + 88 : 32 + 96], np.array(shape, "<u4").tobytes())
                self.assertEqual(frame[32 + 192 :], payload)

    def test_raw_tensors(self):
        packed = protocol.RawTensor(22, (3,), b"\x21\x03")  # int4: two bytes for three
        self.assertEqual(b"".join(protocol.encode_infer(1, "m", [packed]))[32 + 192 :], b"\x21\x03")
        with self.assertRaises(ValueError):
            protocol.encode_infer(1, "m", [protocol.RawTensor(22, (5,), b"\x21\x03")])

    def test_what_cannot_be_sent_is_refused_before(self):
        x = np.zeros(1, np.float32)
        for model, inputs in [
            ("", [x]),
            ("m" * 257, [x]),
            ("m", {"": x}),
            ("m", [x] * 33),
            ("m", [x.reshape((1,) * 9)]),
            ("m", [np.zeros(1, np.complex64)]),
            ("m", [np.array(["text"])]),
        ]:
            with self.assertRaises(ValueError):
                protocol.encode_infer(1, model, inputs)

    def test_metadata(self):
        want = header(0x22, 0, 4, 10) + from_hex("03 00 00 00 | 02 00 00 00 | 6d 6e")
        self.assertEqual(protocol.encode_metadata(4, "mn", 3), want)


class Decoding(unittest.TestCase):
    def test_hello_ack(self):
        body = from_hex(
            "01 00 00 00 | 00 00 00 04 | 00 04 00 00 | 00*12 | 04 00 | 00*38 | 65 72 67 6f"
        )
        granted = protocol.decode_hello_ack(body)
        self.assertEqual(granted.max_body_bytes, 64 << 20)
        self.assertEqual(granted.max_in_flight, 1024)
        self.assertEqual(granted.server, "ergo")

    def test_result(self):
        result = protocol.decode_result(RESULT, protocol.FLAG_NAMES)
        self.assertEqual((result.queue_ns, result.compute_ns), (1000, 2000))
        self.assertEqual((result.batch_size, result.model_version), (4, 2))
        self.assertEqual(result.energy.joules, 0.5)
        self.assertEqual(result.energy.relative_error, 0.25)
        self.assertEqual(result.energy.source, EnergySource.MEASURED)
        self.assertEqual(result.energy.share, EnergyShare.PROCESSOR_TIME)
        self.assertEqual(result.energy.window_s, 1.0)
        self.assertEqual(str(result.energy), "5e+05 uJ +-25% (measured)")
        self.assertEqual(list(result.outputs), ["y"])
        np.testing.assert_array_equal(result.outputs["y"], np.array([[42, -1]], np.int32))

    def test_no_meter_is_none_and_not_zero(self):
        nan = "00*6 f8 7f"
        body = from_hex(f"00*16 | {nan} | {nan} | 00*8 | 01 00*3 | 01 00*3 | 00*16")
        energy = protocol.decode_result(body, 0).energy
        self.assertIsNone(energy.joules)
        self.assertEqual(str(energy), "unavailable")
        claimed = body[:48] + b"\x01" + body[49:]
        with self.assertRaises(ProtocolError):
            protocol.decode_result(claimed, 0)

    def test_raw_result(self):
        body = from_hex(
            RESULT_BLOCK + "10 01 00 00 00*4 | 80 00*7 | 04 00*7 | 02 00*3 00*28 | 00*8 |"
            "80 3f 00 40"
        )
        output = protocol.decode_result(body, 0).outputs["0"]
        self.assertEqual(output, protocol.RawTensor(16, (2,), b"\x80\x3f\x00\x40"))

    def test_error(self):
        error = protocol.decode_error(from_hex("08 00 02 00 | 64 00*3 | 0a 00*7 | 6e 6f"))
        self.assertEqual((error.code, error.name, error.text), (8, "OVERLOADED", "no"))
        self.assertEqual((error.retry_after_us, error.queue_ns), (100, 10))
        unknown = protocol.decode_error(from_hex("e7 03 00 00 | 00*12"))
        self.assertEqual((unknown.code, unknown.name), (999, "INTERNAL"))

    def test_health(self):
        body = from_hex("02 00*3 | 03 00*3 | 04 00*3 | 05 00*3 | 00 ca 9a 3b 00*4 | 00*8")
        self.assertEqual(protocol.decode_health(body), protocol.Health("draining", 3, 4, 5, 1.0))

    def test_model_list(self):
        body = from_hex("02 00*7 | 01 00*3 01 00 02 00 61 62 00*6 | 02 00*3 01 00 01 00 63 00*7")
        entries = protocol.decode_model_list(body)
        self.assertEqual(
            [(e.name, e.version, e.state) for e in entries], [("ab", 1, "ready"), ("c", 2, "ready")]
        )

    def test_metadata(self):
        metadata = protocol.decode_metadata(METADATA_REPLY)
        self.assertEqual((metadata.name, metadata.version), ("mn", 3))
        self.assertEqual(metadata.inputs, (protocol.Port("x", "float32", ("batch", None, 8)),))
        self.assertEqual(
            metadata.outputs, (protocol.Port("y", "int64", ()), protocol.Port("z", "float16", None))
        )

    def test_stats(self):
        stats = protocol.decode_stats(STATS_REPLY)
        self.assertEqual(stats["requests"], protocol.Figure("counter", 7))
        self.assertEqual(stats["ns"], protocol.Figure("histogram", 3, 30, ((10, 2), (20, 1))))

    def test_goaway(self):
        body = from_hex("01 00 00 00 | e8 03 00 00")
        self.assertEqual(protocol.decode_goaway(body), ("draining", 1000))


class BrokenBytes(unittest.TestCase):
    CASES = [
        (lambda body: protocol.decode_result(body, protocol.FLAG_NAMES), RESULT),
        (protocol.decode_metadata, METADATA_REPLY),
        (protocol.decode_stats, STATS_REPLY),
    ]

    def test_every_truncation_and_every_tail_is_refused(self):
        for decode, body in self.CASES:
            decode(body)
            for size in range(len(body)):
                with self.assertRaises(ProtocolError):
                    decode(body[:size])
            with self.assertRaises(ProtocolError):
                decode(body + b"\0")

    def test_a_changed_byte_gives_a_value_or_a_protocol_error(self):
        rng = random.Random(5)
        refused = 0
        for decode, body in self.CASES:
            for _ in range(2000):
                broken = bytearray(body)
                broken[rng.randrange(len(body))] = rng.randrange(256)
                try:
                    decode(bytes(broken))
                except ProtocolError:
                    refused += 1
        self.assertGreater(refused, 1000)

    def test_reserved_fields_are_checked(self):
        for at in [*range(51, 64), *range(64 + 56, 128), 64 + 32]:
            broken = bytearray(RESULT)
            broken[at] = 1
            with self.assertRaises(ProtocolError):
                protocol.decode_result(bytes(broken), protocol.FLAG_NAMES)

    def test_headers(self):
        good = header(0x31, 0, 1, 3)
        self.assertEqual(protocol.decode_header(good), protocol.Header(0x31, 0, 1, 3))
        for at in [0, 1, 2, 3, 4, *range(20, 32)]:
            broken = bytearray(good)
            broken[at] ^= 0x10
            with self.assertRaises(ProtocolError):
                protocol.decode_header(bytes(broken))


if __name__ == "__main__":
    unittest.main()
