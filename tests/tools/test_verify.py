"""ergo verify: it passes only what matches."""

import unittest

import numpy as np

import onnx_bytes as onnx
from command_line import DIGITS, FAILED, MODEL, USAGE, CommandTest
from serving import digits_case

F32 = np.float32


class VerifyTest(CommandTest):
    def case(self, files, name="test_data_set_0"):
        """Writes {"input_0": bytes, ...} as a data set; the folder to give to --data."""
        for file, data in files.items():
            self.write(f"data/{name}/{file}.pb", data)
        return self.folder / "data"

    def digits(self, expected):
        images, _ = digits_case()
        return self.case({"input_0": onnx.tensor(images), "output_0": onnx.tensor(expected)})

    def sub(self, a, b, y, names=("", ""), dtype="float32"):
        """a - b against y."""
        model = self.write("sub.onnx", onnx.binary("Sub", dtype, ("n",)))
        inputs = [onnx.tensor(value, name) for value, name in zip((a, b), names)]
        data = self.case({"input_0": inputs[0], "input_1": inputs[1], "output_0": onnx.tensor(y)})
        return ["verify", model, "--data", data]

    def test_the_bundled_model_matches(self):
        text = self.ergo("verify", MODEL, "--data", DIGITS).stdout
        self.assertIn("probabilities", text)
        self.assertIn("1 of 1 outputs match", text)
        for option in [["--reference"], ["--threads", 2], ["--kernel", "conv=reference"]]:
            self.ergo("verify", MODEL, "--data", DIGITS, *option)

    def test_a_changed_expectation_is_found(self):
        _, expected = digits_case()
        self.ergo("verify", MODEL, "--data", self.digits(expected))
        for element in [(0, 0), (7, 3), (15, 9)]:
            altered = expected.copy()
            altered[element] += 0.01
            arguments = ["verify", MODEL, "--data", self.digits(altered)]
            text = self.ergo(*arguments, code=FAILED).stdout
            self.assertIn(f"[{element[0]}, {element[1]}]", text)
            self.assertIn("FAIL", text)
            report = self.json(*arguments, code=FAILED)
            self.assertFalse(report["matches"])
            self.assertEqual(report["failed"], 1)
            self.assertEqual(report["comparisons"][0]["mismatches"], 1)
            self.assertAlmostEqual(report["comparisons"][0]["max_abs"], 0.01, delta=1e-4)

    def test_one_wrong_data_set_among_many_fails(self):
        images, expected = digits_case()
        good = {"input_0": onnx.tensor(images), "output_0": onnx.tensor(expected)}
        bad = {"input_0": onnx.tensor(images), "output_0": onnx.tensor(expected[::-1])}
        for number in range(3):
            data = self.case(bad if number == 1 else good, f"test_data_set_{number}")
        report = self.json("verify", MODEL, "--data", data, code=FAILED)
        self.assertEqual([c["matches"] for c in report["comparisons"]], [True, False, True])

    def test_tolerances(self):
        a, b = F32([100, 0]), F32([0, 0])
        near = self.sub(a, b, F32([100.05, 0.000009]))
        self.ergo(*near)
        self.ergo(*near, "--rtol", "1e-4", code=FAILED)
        self.ergo(*near, "--atol", "1e-6", code=FAILED)
        far = self.sub(a, b, F32([110, 0]))
        self.ergo(*far, code=FAILED)
        self.ergo(*far, "--rtol", "0.2")
        self.ergo(*far, "--cosine", "0.999")
        opposite = self.sub(a, b, F32([-100, 0]))
        self.ergo(*opposite, "--cosine", "0.999", code=FAILED)

    def test_nan_equals_nan_and_nothing_else(self):
        a, b = F32([np.nan, np.inf, 1]), F32([0, 0, 0])
        self.ergo(*self.sub(a, b, F32([np.nan, np.inf, 1])))
        for y in [[0, np.inf, 1], [np.nan, 1e38, 1], [np.nan, np.inf, np.nan]]:
            self.ergo(*self.sub(a, b, F32(y)), code=FAILED)
        self.ergo(*self.sub(a, b, F32([0, np.inf, 1])), "--cosine", "0.5", code=FAILED)

    def test_integers_match_exactly(self):
        a, b = np.int64([1 << 60, 5]), np.int64([0, 2])
        self.ergo(*self.sub(a, b, np.int64([1 << 60, 3]), dtype="int64"))
        off = self.sub(a, b, np.int64([(1 << 60) + 1, 3]), dtype="int64")
        self.ergo(*off, "--rtol", "1", "--atol", "10", code=FAILED)

    def test_other_types_and_shapes_are_failures(self):
        a, b = F32([3, 4]), F32([1, 1])
        for y in [np.int32([2, 3]), F32([[2, 3]]), F32([2]), F32(2)]:
            report = self.json(*self.sub(a, b, y), code=FAILED)
            self.assertIn("expected", report["comparisons"][0]["problem"])

    def test_inputs_go_by_name_where_the_file_has_one_else_by_number(self):
        a, b, y = F32([5, 6]), F32([1, 2]), F32([4, 4])
        self.ergo(*self.sub(a, b, y))
        self.ergo(*self.sub(b, a, y, names=("b", "a")))
        self.ergo(*self.sub(b, a, y), code=FAILED)
        self.ergo(*self.sub(a, b, y, names=("other", "names")))

    def test_data_that_is_missing_or_damaged(self):
        a, b, y = F32([5, 6]), F32([1, 2]), F32([4, 4])
        arguments = self.sub(a, b, y)
        folder = self.folder / "data" / "test_data_set_0"
        empty = self.folder / "empty"
        empty.mkdir()
        for data in [empty, self.folder / "none"]:
            self.refused("verify", arguments[1], "--data", data, saying=[data, "test_data_set_0"])
        whole = {path: path.read_bytes() for path in folder.iterdir()}
        for path, data in whole.items():
            path.write_bytes(data[: len(data) // 2])
            self.refused(*arguments, saying=path.name)
            path.unlink()
            self.ergo(*arguments, code=USAGE)
            path.write_bytes(data)
        self.ergo(*arguments)

    def test_no_expectation_is_passed_over(self):
        """Data sets behind a gap in the numbering, and outputs that the model does not have."""
        a, b, y = F32([5, 6]), F32([1, 2]), F32([4, 4])
        arguments = self.sub(a, b, y)
        wrong = {"input_0": onnx.tensor(a), "input_1": onnx.tensor(b), "output_0": onnx.tensor(a)}
        self.case(wrong, "test_data_set_10")
        report = self.json(*arguments, code=FAILED)
        self.assertEqual([c["set"] for c in report["comparisons"]],
                         ["test_data_set_0", "test_data_set_10"])
        arguments = self.sub(a, b, y)
        self.case({**wrong, "output_0": onnx.tensor(y)}, "test_data_set_10")
        self.ergo(*arguments)
        self.case({"output_1": onnx.tensor(y)})
        self.refused(*arguments, saying=["test_data_set_0", "2 outputs"])

    def test_inputs_of_the_wrong_shape_are_named(self):
        images, expected = digits_case()
        wrong = self.case({"input_0": onnx.tensor(images[:, :, 1:])})
        self.write("data/test_data_set_0/output_0.pb", onnx.tensor(expected))
        self.refused("verify", MODEL, "--data", wrong, saying=["'image'", "[batch, 1, 8, 8]"])


if __name__ == "__main__":
    unittest.main()
