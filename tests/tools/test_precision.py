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

    def test_unknown_precisions_are_refused(self):
        self.ergo("convert", MODEL, "-o", self.folder / "x", "--precision", "fp7", code=USAGE)


if __name__ == "__main__":
    unittest.main()
