"""Whole models in 8 bits: what they lose against float32."""

import json
import lzma
import os
import pathlib
import subprocess
import tarfile
import tempfile
import unittest

import numpy as np

SOURCE = pathlib.Path(os.environ["ERGO_SOURCE_DIR"])
BINARY = os.environ["ERGO_BINARY"]
ARCHIVE = SOURCE.parent / "shared" / "models" / "models.tar.xz"
DIGITS = SOURCE / "tools" / "digits"
RESIDUAL = SOURCE / "tests" / "models" / "residual_digits" / "model.onnx"
METHODS = ["minmax", "percentile", "entropy"]
MAX_LOSS = 0.005  # of accuracy
CALIBRATED, EACH = 96, 16  # images, and so many a sample
COSINE = 0.99


class QuantizedTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="ergo-test-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def ergo(self, *arguments):
        done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
        said = f"ergo {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, 0, said)
        return done.stdout

    def convert(self, model, *options):
        out = self.folder / "model.ergo"
        return out, json.loads(self.ergo("convert", model, "-o", out, "--json", *options))

    def int8(self, model, samples, *options):
        return self.convert(model, "--precision", "int8", "--calibrate", samples, *options)

    def accuracy(self, model, images):
        out = self.folder / "out"
        self.ergo("run", model, "--input", images, "--output-dir", out)
        answers = np.load(out / "probabilities.npy").argmax(1)
        return (answers == np.load(DIGITS / "heldout_labels.npy")).mean()

    def check_digits(self, model):
        images = np.load(DIGITS / "heldout_images.npy").astype(np.float32)
        everything = self.folder / "images.npy"
        np.save(everything, images)
        samples = self.folder / "samples"
        samples.mkdir()
        for begin in range(0, CALIBRATED, EACH):
            np.save(samples / f"{begin:03}.npy", images[begin : begin + EACH])
        plain, _ = self.convert(model)
        expected = self.accuracy(plain, everything)
        self.assertGreater(expected, 0.98)
        for method in METHODS:
            with self.subTest(method):
                out, report = self.int8(model, samples, "--calibration-method", method)
                layers = report["precision"]["layers"]
                self.assertTrue(all(layer["quantized"] for layer in layers), layers)
                got = self.accuracy(out, everything)
                print(f"{model.name} {method}: {got:.4f}, float32 {expected:.4f}")
                self.assertGreaterEqual(got, expected - MAX_LOSS)

    def test_the_bundled_model_keeps_its_accuracy(self):
        self.check_digits(DIGITS / "digits.onnx")

    def test_depthwise_layers_and_residuals_keep_theirs(self):
        self.check_digits(RESIDUAL)

    def unpack(self, name):
        with lzma.open(ARCHIVE) as packed, tarfile.open(fileobj=packed) as archive:
            members = [m for m in archive if f"{name}/" in m.name + "/"]
            archive.extractall(self.folder, members)
        return next(self.folder.rglob(f"{name}/model.onnx"))

    @unittest.skipUnless(ARCHIVE.exists(), f"{ARCHIVE} is not there")
    def test_detectors_point_the_same_way(self):
        # The scores of yunet are differences of large numbers: some layers must stay float32.
        for name, options in {
            "ultraface-rfb320-op9": [],
            "yunet-n-dynamic-op11": ["--max-error", "0.1"],
        }.items():
            with self.subTest(name):
                onnx = self.unpack(name)
                out, report = self.int8(onnx, onnx.parent, *options)
                quantized = sum(layer["quantized"] for layer in report["precision"]["layers"])
                print(f"{name}: {quantized} layers of {len(report['precision']['layers'])}")
                self.assertGreater(quantized, len(report["precision"]["layers"]) // 2)
                print(self.ergo("verify", out, "--data", onnx.parent, "--cosine", COSINE))


if __name__ == "__main__":
    unittest.main()
