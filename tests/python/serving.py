"""The real server as a child process, and what the bundled model should answer."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

import numpy as np

SOURCE = pathlib.Path(os.environ["ERGO_SOURCE_DIR"])
BINARY = os.environ["ERGO_BINARY"]
DIGITS = SOURCE / "tools" / "digits"
START_TIMEOUT_S = 60


class Server:
    """`ergo serve` on a port that the system chose; what it prints is kept in `log`."""

    def __init__(self, *arguments, listen="tcp://127.0.0.1:0"):
        command = [BINARY, "serve", *map(str, arguments), "--listen", listen]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = []
        self.endpoint = None
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        if not self._listening.wait(START_TIMEOUT_S) or self.endpoint is None:
            self.process.kill()
            self._thread.join()
            raise AssertionError("the server did not start:\n" + "".join(self.log))

    def _follow(self):
        for line in self.process.stdout:
            self.log.append(line)
            found = re.search(r"listening on ((?:tcp|unix)://[^\s,]+)", line, re.IGNORECASE)
            if found and self.endpoint is None:
                self.endpoint = found.group(1)
                self._listening.set()
        self._listening.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdout.close()
        if sys.exc_info()[0] is not None:
            print("".join(self.log), file=sys.stderr)


def read_tensor(path):
    """The float32 values of a TensorProto with dims (field 1) and raw_data (field 9)."""
    data = path.read_bytes()
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    dims, raw = [], None
    while at < len(data):
        key = varint()
        value = varint()
        if key == 1 << 3:
            dims.append(value)
        if key & 7 == 2:
            if key >> 3 == 9:
                raw = data[at : at + value]
            at += value
    return np.frombuffer(raw, "<f4").reshape(dims)


def digits_case():
    """16 images, and the probabilities that NumPy computed at training time."""
    case = DIGITS / "test_data_set_0"
    return read_tensor(case / "input_0.pb"), read_tensor(case / "output_0.pb")


def scratch():
    return tempfile.TemporaryDirectory(prefix="ergo-test-")
