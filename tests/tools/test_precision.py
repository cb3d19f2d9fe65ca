"""ergo convert --precision."""

import unittest

import numpy as np

from command_line import DIGITS, MODEL, USAGE, CommandTest

IMAGES = DIGITS / "heldout_images.npy"
LABELS = DIGITS / "heldout_labels.npy"


class PrecisionTest(CommandTest):
    def answers(self, model):
        """The model's scores for all held-out images."""
        out = self.folder / "out"
        images = self.folder / "images.npy"
        np.save(images, np.load(IMAGES).astype(np.float32))
        self.ergo("run", model, "--input", images, "--output-dir", out)
        return np.load(next(out.iterdir()))

    def samples(self, count=64, each=8):
        """A folder of samples for calibration."""
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        images = np.load(IMAGES).astype(np.float32)
        for begin in range(0, count, each):
            np.save(folder / f"{begin:03}.npy", images[begin : begin + each])
        return folder

    def accuracy(self, model):
        return (self.answers(model).argmax(axis=1) == np.load(LABELS)).mean()

    def convert(self, *options):
        out = self.folder / "converted.ergo"
        return out, self.json("convert", MODEL, "-o", out, *options)

    def test_sixteen_bits_halve_the_file_and_keep_the_answers(self):
        plain, plain_report = self.convert()
        expected = self.answers(plain)
        for precision, bound in [("fp16", 2e-3), ("bf16", 2e-2)]:
            with self.subTest(precision):
                out, report = self.convert("--precision", precision)
                self.assertEqual(report["precision"]["precision"], precision)
                self.assertGreater(report["precision"]["weights"], 0)
                self.assertLess(report["output_bytes"], 0.62 * plain_report["output_bytes"])
                got = self.answers(out)
                error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
                self.assertLess(error, bound)
                self.assertGreater(error, 0)

    def test_int8_loses_half_a_point_at_most(self):
        plain, plain_report = self.convert()
        expected = self.accuracy(plain)
        for method in ["minmax", "percentile", "entropy"]:
            with self.subTest(method):
                options = ["--calibrate", self.samples(), "--calibration-method", method]
                out, report = self.convert("--precision", "int8", *options)
                self.assertGreaterEqual(self.accuracy(out), expected - 0.005)
                self.assertLess(report["output_bytes"], 0.4 * plain_report["output_bytes"])
                precision = report["precision"]
                self.assertEqual(precision["calibration_samples"], 8)
                self.assertTrue(all(layer["quantized"] for layer in precision["layers"]))
                operators = self.json("inspect", out)["operators"]
                self.assertEqual(operators["ergo.QuantizedConv"], 3)
                self.assertNotIn("ergo.FusedConv", operators)

    def test_linear_layers_in_few_bits(self):
        expected = self.accuracy(self.convert()[0])
        for precision, bound in [("int8-dynamic", 0.02), ("int4-weights", 0.1)]:
            with self.subTest(precision):
                out, report = self.convert("--precision", precision, "--calibrate", self.samples())
                layers = report["precision"]["layers"]
                self.assertEqual([layer["node"] for layer in layers], ["logits"])
                self.assertLess(layers[0]["weight_bytes_after"], layers[0]["weight_bytes_before"])
                self.assertLess(report["precision"]["error"], bound)
                self.assertGreater(report["precision"]["error"], 0)
                self.assertGreaterEqual(self.accuracy(out), expected - 0.01)

    def test_a_bound_leaves_sensitive_layers_in_float(self):
        options = ["--precision", "int8", "--calibrate", self.samples()]
        _, free = self.convert(*options)
        bound = free["precision"]["error"] / 2
        out, report = self.convert(*options, "--max-error", bound)
        self.assertLessEqual(report["precision"]["error"], bound)
        reasons = [layer["reason"] for layer in report["precision"]["layers"]]
        self.assertIn("sensitive", reasons)
        self.assertIn("", reasons)
        text = self.ergo("convert", MODEL, "-o", out, *options, "--max-error", bound).stdout
        self.assertIn("float32 (sensitive)", text)
        names = [layer["node"] for layer in report["precision"]["layers"]]
        _, report = self.convert(*options, "--keep-float", names[0])
        self.assertEqual(report["precision"]["layers"][0]["reason"], "kept as asked")

    def test_options_that_do_not_go_together_are_refused(self):
        convert = ["convert", MODEL, "-o", self.folder / "x"]
        empty = self.folder / "empty"
        empty.mkdir()
        for options, saying in [
            (["--precision", "int8"], "--calibrate DIR"),
            (["--calibrate", empty], "other than fp32"),
            (["--precision", "fp16", "--max-error", "0.1"], "for --precision int8"),
            (["--precision", "int8", "--calibrate", empty], "no samples"),
            (["--precision", "int8", "--calibrate", self.folder / "none"], "none"),
        ]:
            with self.subTest(options):
                self.refused(*convert, *options, saying=saying)
        options = ["--precision", "int8", "--calibrate", self.samples(8), "--keep-float", "nobody"]
        self.refused(*convert, *options, saying=["nobody", "conv3x3_0"])
        self.assertNotIn("x", self.names())

    def test_unknown_precisions_are_refused(self):
        self.ergo("convert", MODEL, "-o", self.folder / "x", "--precision", "fp7", code=USAGE)


if __name__ == "__main__":
    unittest.main()
