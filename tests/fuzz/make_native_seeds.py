#!/usr/bin/env python3
"""Writes the seeds in corpus/native, from server/protocol/native/PROTOCOL.md alone."""

import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus" / "native"
SERVER, CLIENT, DIRECT, DISCARD, GREETED = 0, 1, 2, 4, 8


def frame(kind, request_id, body=b"", flags=0):
    return b"\xe7ERG" + struct.pack("<BBHQI12x", 1, kind, flags, request_id, len(body)) + body


def pad(data, multiple):
    return data + bytes(-len(data) % multiple)


def tensors(block, names, parts):
    """parts: (dtype, index, name, dims, payload)"""
    names = names + b"".join(name for _, _, name, _, _ in parts)
    end = 64 + 64 * len(parts) + len(names)
    descriptors, payloads = b"", b""
    start = end + -end % 64
    for dtype, index, name, dims, payload in parts:
        payloads = pad(payloads, 64)
        descriptors += struct.pack(
            "<BBHHHQQ", dtype, len(dims), index, len(name), 0, start + len(payloads), len(payload)
        )
        descriptors += pad(struct.pack(f"<{len(dims)}I", *dims), 32)[:32].ljust(32, b"\0") + bytes(
            8
        )
        payloads += payload
    body = block + descriptors + names
    return pad(body, 64) + payloads if parts else body


def infer(request_id, model, parts, flags=0):
    block = struct.pack("<QIbBH48x", 5000, 0, 0, len(parts), len(model))
    return frame(0x10, request_id, tensors(block, model, parts), flags)


def result(request_id, parts):
    block = struct.pack("<QQddQIIBBB13x", 1, 2, 0.5, 0.25, 1000, 1, 1, 2, 1, len(parts))
    return frame(0x11, request_id, tensors(block, b"", parts), 1)


HELLO = frame(0x01, 0, struct.pack("<HHIIIQHH36x", 1, 1, 0, 0, 0, 0, 0, 0))
HELLO_ACK = frame(0x02, 0, struct.pack("<HHIIIQH38x", 1, 0, 1 << 20, 32, 0, 0, 4) + b"ergo")
F32 = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
PORT = pad(struct.pack("<BBHIqqHH", 1, 2, 1, 0, -1, 4, 1, 0) + b"xn", 8)

SEEDS = {
    "infer": (SERVER, HELLO + infer(1, b"m", [(1, 0, b"", [2, 3], F32)])),
    "infer_names": (
        SERVER,
        HELLO
        + infer(
            1,
            b"mlp",
            [
                (1, 65535, b"x", [6], F32),
                (3, 65535, b"y", [0, 2], b""),
                (11, 65535, b"z", [], bytes(8)),
            ],
            1,
        ),
    ),
    "infer_none": (SERVER | GREETED, infer(1, b"m", [])),
    "infer_large": (
        SERVER | GREETED | DIRECT,
        infer(1, b"m", [(2, 0, b"", [40000], bytes(40000))]),
    ),
    "infer_discard": (
        SERVER | GREETED | DISCARD,
        infer(1, b"m", [(2, 0, b"", [3000], bytes(3000))]) + frame(0x30, 2, b"ping"),
    ),
    "questions": (
        SERVER,
        HELLO
        + b"".join(frame(kind, 1) for kind in (0x20, 0x24, 0x26))
        + frame(0x30, 2, b"abc")
        + frame(0x22, 3, struct.pack("<IHH", 0, 1, 0) + b"m"),
    ),
    "extension": (SERVER | GREETED, frame(0x90, 0, b"skip me") + frame(0x30, 1)),
    "http": (SERVER, b"GET / HTTP/1.1\r\n\r\n"),
    "result": (
        CLIENT,
        HELLO_ACK + result(1, [(1, 0, b"out", [6], F32), (6, 1, b"n", [1], bytes(4))]),
    ),
    "replies": (
        CLIENT | GREETED,
        frame(0x12, 1, struct.pack("<HHIQ", 8, 4, 100, 5) + b"busy")
        + frame(0x21, 2, struct.pack("<II", 1, 0) + pad(struct.pack("<IBBH", 1, 1, 0, 1) + b"m", 8))
        + frame(0x23, 3, struct.pack("<IHBB", 1, 1, 1, 1) + pad(b"m", 8) + PORT + PORT)
        + frame(0x25, 4, struct.pack("<B3xIIIQ8x", 1, 1, 1, 0, 9))
        + frame(
            0x27,
            5,
            struct.pack("<II", 1, 0)
            + pad(struct.pack("<BBHI4Q", 3, 0, 1, 4, 2, 20, 15, 2) + b"h", 8),
        )
        + frame(0x31, 6, b"abc")
        + frame(0x40, 0, struct.pack("<HHI", 1, 0, 1000)),
    ),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (choice, stream) in SEEDS.items():
        (FOLDER / name).write_bytes(bytes([choice, 7]) + stream)


if __name__ == "__main__":
    main()
