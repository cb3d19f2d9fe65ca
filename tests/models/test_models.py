"""The models of ../shared/models through `ergo verify`: as .onnx and converted, with all kernels
and with the reference ones only."""

import lzma
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["ERGO_SOURCE_DIR"])
BINARY = os.environ["ERGO_BINARY"]
ARCHIVE = SOURCE.parent / "shared" / "models" / "models.tar.xz"
MODELS = 8
TOLERANCE = ["--rtol", "1e-3", "--atol", "1e-5"]
# Where activations are quantized on the way, one rounding that goes the other way on another
# machine moves a whole quantum: ../shared/README.md has such outputs compared by their cosine.
QUANTIZED = {"mlp-dynquant-int8-op16": ["--cosine", "0.999"]}
SKIPPED = 77


def run(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
    said = f"ergo {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
    return done.returncode, said


class ModelsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="ergo-test-")
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.root = pathlib.Path(cls.scratch.name)
        with lzma.open(ARCHIVE) as packed, tarfile.open(fileobj=packed) as archive:
            archive.extractall(cls.root)
        cls.models = sorted(cls.root.rglob("model.onnx"))

    def verify(self, model, data, *options):
        code, said = run("verify", model, "--data", data, *TOLERANCE, *options)
        self.assertEqual(code, 0, said)
        print(said)

    def test_all_are_there(self):
        self.assertEqual(len(self.models), MODELS)

    def test_onnx_and_converted_match_what_was_recorded(self):
        for onnx in self.models:
            name = onnx.parent.name
            with self.subTest(name):
                ergo = self.root / f"{name}.ergo"
                code, said = run("convert", onnx, "-o", ergo)
                self.assertEqual(code, 0, said)
                for model in [onnx, ergo]:
                    for kernels in [[], ["--reference"], ["--threads", "2"]]:
                        self.verify(model, onnx.parent, *QUANTIZED.get(name, []), *kernels)

    def test_not_optimized_they_match_too(self):
        for onnx in self.models:
            name = onnx.parent.name
            with self.subTest(name):
                ergo = self.root / f"{name}-plain.ergo"
                code, said = run("convert", onnx, "-o", ergo, "--no-optimize")
                self.assertEqual(code, 0, said)
                self.verify(ergo, onnx.parent, *QUANTIZED.get(name, []))


if __name__ == "__main__":
    if not ARCHIVE.exists():
        print(f"skipped: {ARCHIVE} is not there")
        sys.exit(SKIPPED)
    unittest.main()
