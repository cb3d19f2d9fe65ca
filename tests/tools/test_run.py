"""ergo run."""

import json
import unittest

import numpy as np

import onnx_bytes as onnx
from command_line import DIGITS, FAILED, IMAGE, MODEL, CommandTest
from serving import digits_case


class RunTest(CommandTest):
    def npy(self, name, array):
        path = self.folder / name
        np.save(path, array)
        return path

    def sub(self):
        return self.write("sub.onnx", onnx.binary("Sub", shape=("n", 3)))

    def test_outputs_are_what_numpy_computed(self):
        images, expected = digits_case()
        path = self.npy("images.npy", images)
        out = self.folder / "out"
        report = self.json("run", MODEL, "--input", f"image={path}", "--output-dir", out)
        probabilities = np.load(out / "probabilities.npy")
        np.testing.assert_allclose(probabilities, expected, 1e-3, 1e-5)
        (output,) = report["outputs"]
        self.assertEqual((output["name"], output["dtype"]), ("probabilities", "float32"))
        self.assertEqual(output["shape"], [16, 10])
        for name in ["min", "max", "mean"]:
            expected_value = float(getattr(probabilities, name)())
            self.assertAlmostEqual(output[name], expected_value, places=6)

    def test_files_of_both_kinds_and_the_only_input_without_its_name(self):
        test_set = DIGITS / "test_data_set_0" / "input_0.pb"
        for file in [f"image={test_set}", test_set, IMAGE, DIGITS / "image.npy"]:
            self.ergo("run", MODEL, "--input", file)
            # The value of --input is one word: what follows is the model.
            self.ergo("run", "--input", file, MODEL)

    def test_the_five_largest_of_a_vector(self):
        report = self.json("run", MODEL, "--input", IMAGE)
        top = report["outputs"][0]["top"]
        self.assertEqual(len(top), 5)
        values = [entry["value"] for entry in top]
        self.assertEqual(values, sorted(values, reverse=True))
        self.assertEqual(values[0], report["outputs"][0]["max"])

    def test_missing_inputs_are_refused_by_name(self):
        self.refused("run", MODEL, saying=["'image'", "float32", "--random"])
        model = self.sub()
        self.refused("run", model, saying=["'a'", "'b'"])
        a = self.npy("a.npy", np.zeros((2, 3), np.float32))
        done = self.refused("run", model, "--input", f"a={a}", saying="'b'")
        self.assertNotIn("'a'", done.stderr)

    def test_random_fills_what_is_missing(self):
        model = self.sub()
        a = self.npy("a.npy", np.zeros((4, 3), np.float32))
        outputs = []
        for seed in [7, 7, 8]:
            out = self.folder / "out"
            self.ergo("run", model, "--input", f"a={a}", "--random", seed, "--output-dir", out)
            outputs.append(np.load(out / "y.npy"))
        # `b` took its free dimension from `a`.
        self.assertEqual(outputs[0].shape, (4, 3))
        np.testing.assert_array_equal(outputs[0], outputs[1])
        self.assertTrue((outputs[0] != outputs[2]).any())
        self.assertLessEqual(np.abs(outputs[0]).max(), 1)

    def test_free_dimensions(self):
        model = self.sub()
        text = self.ergo("run", model, "--random", 1).stdout
        self.assertIn("assumed n = 1", text)
        report = self.json("run", model, "--random", 1, "--dim", "n=5")
        self.assertEqual(report["outputs"][0]["shape"], [5, 3])
        self.refused("run", model, "--random", 1, "--dim", "m=5", saying="'m'")

    def test_inputs_that_do_not_fit(self):
        for array, saying in [
            (np.zeros((1, 1, 8, 9), np.float32), ["'image'", "[1, 1, 8, 9]", "[batch, 1, 8, 8]"]),
            (np.zeros((8, 8), np.float32), ["'image'", "[8, 8]"]),
            (np.zeros((1, 1, 8, 8)), ["'image'", "float32", "float64"]),
        ]:
            path = self.npy("x.npy", array)
            self.refused("run", MODEL, "--input", f"image={path}", saying=saying)
        model = self.sub()
        a = self.npy("a.npy", np.zeros((2, 3), np.float32))
        b = self.npy("b.npy", np.zeros((4, 3), np.float32))
        self.refused("run", model, "--input", f"a={a}", "--input", f"b={b}", saying="'b'")

    def test_names_and_files_that_are_not_there(self):
        image = DIGITS / "image.npy"
        self.refused("run", MODEL, "--input", f"img={image}", saying=["'img'", "'image'"])
        self.refused("run", MODEL, "--input", "image=none.npy", saying="none.npy")
        self.refused("run", MODEL, "--input", "image=", saying="'image'")
        self.refused("run", MODEL, "--input", IMAGE, "--input", IMAGE, saying="twice")
        self.refused("run", self.sub(), "--input", image, saying="--input")

    def test_damaged_arrays(self):
        whole = (DIGITS / "image.npy").read_bytes()
        for size in [0, 5, 20, len(whole) - 1]:
            path = self.write("cut.npy", whole[:size])
            self.refused("run", MODEL, "--input", f"image={path}", saying="cut.npy")
        path = self.write("x.txt", b"1 2 3")
        self.refused("run", MODEL, "--input", f"image={path}", saying=["x.txt", ".npy"])

    def test_values_without_a_number(self):
        a = self.npy("a.npy", np.float32([[np.nan, np.inf, 1]]))
        b = self.npy("b.npy", np.zeros((1, 3), np.float32))
        # NaN has no place in JSON: the document parses, and says null.
        self.json("run", self.sub(), "--input", f"a={a}", "--input", f"b={b}")

    def test_trace(self):
        path = self.folder / "trace.json"
        self.ergo("run", MODEL, "--input", IMAGE, "--trace", path)
        events = json.loads(path.read_text())["traceEvents"]
        steps = self.json("inspect", MODEL)["plan"]["steps"]
        self.assertEqual(len(events), steps)
        self.assertTrue(all(event["dur"] > 0 and event["ph"] == "X" for event in events))
        nowhere = self.folder / "no" / "trace.json"
        done = self.ergo("run", MODEL, "--input", IMAGE, "--trace", nowhere, code=2)
        self.assertIn(str(nowhere), done.stderr)
        self.assertEqual(self.names(), ["trace.json"])

    def test_outputs_that_cannot_be_written(self):
        path = self.write("file", b"")
        done = self.ergo("run", MODEL, "--input", IMAGE, "--output-dir", path, code=FAILED)
        self.assertIn(str(path), done.stderr)

    def test_an_output_cannot_leave_its_folder(self):
        name = "../../escaped"
        model = onnx.model(
            [onnx.node("Relu", ["x"], [name])],
            [onnx.port("x", "float32", [2])],
            [onnx.port(name, "float32", [2])],
        )
        path = self.write("deep/er/escape.onnx", model)
        out = self.folder / "deep" / "er" / "out"
        self.ergo("run", path, "--random", 1, "--output-dir", out)
        self.assertEqual(len(list(out.iterdir())), 1)
        self.assertEqual(len(self.names()), 2)


if __name__ == "__main__":
    unittest.main()
