"""Bytes as PROTOCOL.md writes them: "01 00 * 3 | 41" with blanks, bars and repetitions."""

import re


def from_hex(text: str) -> bytes:
    data = b""
    for byte, times in re.findall(r"([0-9a-f]{2})(?:\s*\*\s*(\d+))?", text.replace("|", " ")):
        data += bytes([int(byte, 16)]) * int(times or 1)
    return data


def header(kind: int, flags: int, request_id: int, body_bytes: int) -> bytes:
    return (
        b"\xe7ERG\x01"
        + bytes([kind])
        + flags.to_bytes(2, "little")
        + request_id.to_bytes(8, "little")
        + body_bytes.to_bytes(4, "little")
        + bytes(12)
    )
