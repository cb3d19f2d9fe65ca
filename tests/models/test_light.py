"""The ONNX project's `light` nets, whose weights are made by ConstantOfShape, through `ergo
verify`: as .onnx and converted. As upstream's runner does, each gets the numbers i / n in order as
its one input.

They come from ../shared/conformance, else from the onnx package of build/venv."""

import json
import lzma
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

import numpy as np

SOURCE = pathlib.Path(os.environ["ERGO_SOURCE_DIR"])
BINARY = os.environ["ERGO_BINARY"]
ARCHIVE = SOURCE.parent / "shared" / "conformance" / "onnx-node-visible.tar.xz"
PYTHON = os.environ.get("ERGO_TEST_PYTHON")
SKIPPED = 77
NETS = 7  # at least: the package has more

sys.path.insert(0, str(SOURCE / "tests" / "tools"))
import onnx_bytes  # noqa: E402


def ergo(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def unpack(folder):
    """Where below `folder` the nets are now, or None."""
    if ARCHIVE.exists():
        with lzma.open(ARCHIVE) as packed, tarfile.open(fileobj=packed) as archive:
            members = [m for m in archive if m.name.split("/")[0] == "light" or "/light/" in m.name]
            archive.extractall(folder, members)
        return next(folder.rglob("light_squeezenet.onnx")).parent
    if PYTHON:
        where = "import onnx.backend.test as t; print(t.__path__[0])"
        package = subprocess.run([PYTHON, "-c", where], capture_output=True, text=True, check=True)
        return pathlib.Path(package.stdout.strip()) / "data" / "light"
    return None


class LightTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="ergo-test-")
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        cls.nets = unpack(cls.root)
        if cls.nets is None:
            print(f"skipped: there is no {ARCHIVE}, and no build/venv")
            sys.exit(SKIPPED)

    def test_nets(self):
        nets = sorted(path.stem for path in self.nets.glob("*.onnx"))
        self.assertGreaterEqual(len(nets), NETS)
        for net in nets:
            with self.subTest(net):
                self.check(net)

    def check(self, net):
        model = self.nets / f"{net}.onnx"
        converted = self.root / f"{net}.ergo"
        code, said, complaint = ergo("convert", model, "-o", converted)
        self.assertEqual(code, 0, complaint)
        code, said, complaint = ergo("inspect", converted, "--json")
        self.assertEqual(code, 0, complaint)
        (port,) = json.loads(said)["inputs"]
        shape = json.loads(port["shape"])
        count = math.prod(shape)
        data = self.root / net / "test_data_set_0"
        data.mkdir(parents=True)
        ramp = (np.arange(count, dtype=np.float32) / np.float32(count)).reshape(shape)
        (data / "input_0.pb").write_bytes(onnx_bytes.tensor(ramp, port["name"]))
        shutil.copy(self.nets / f"{net}_output_0.pb", data / "output_0.pb")
        for path in [model, converted]:
            code, said, complaint = ergo("verify", path, "--data", data.parent)
            self.assertEqual(code, 0, said + complaint)


if __name__ == "__main__":
    unittest.main()
