"""ergo tune: what it writes is followed by whoever loads the file; how much it gains is no test's
business."""

import unittest

import numpy as np

from command_line import IMAGE, MODEL, USAGE, CommandTest

FEW = ["--rounds", 3]


class TuneTest(CommandTest):
    def test_the_tuned_model_computes_the_same(self):
        tuned = self.folder / "tuned.ergo"
        report = self.json("tune", MODEL, "-o", tuned, *FEW)
        self.assertGreater(len(report["nodes"]), 0)
        self.assertLessEqual(report["tuned_us"], report["usual_us"])
        for node in report["nodes"]:
            self.assertGreater(node["candidates"], 1)
            self.assertIn("=", node["chosen"])
        for model, folder in [(MODEL, "usual"), (tuned, "tuned")]:
            self.ergo("run", model, "--input", IMAGE, "--output-dir", self.folder / folder)
        usual, again = (
            np.load(self.folder / folder / "probabilities.npy") for folder in ["usual", "tuned"]
        )
        np.testing.assert_allclose(usual, again, rtol=1e-3, atol=1e-5)

    def test_choices_for_several_numbers_of_threads_share_a_file(self):
        tuned = self.folder / "tuned.ergo"
        self.ergo("tune", MODEL, "-o", tuned, *FEW)
        text = self.ergo("tune", tuned, "-o", tuned, "--threads", 2, *FEW).stdout
        self.assertIn("2 threads", text)
        content = tuned.read_bytes()
        self.assertIn(b"threads=1", content)
        self.assertIn(b"threads=2", content)

    def test_what_is_refused(self):
        self.refused("tune", self.folder / "none.onnx", "-o", self.folder / "x.ergo", saying="none")
        self.assertIn("--output", self.ergo("tune", MODEL, code=USAGE).stderr)


if __name__ == "__main__":
    unittest.main()
