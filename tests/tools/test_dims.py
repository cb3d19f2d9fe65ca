"""Free dimensions: fixed and bounded by convert, planned ahead and held to by a server."""

import unittest

import numpy as np

import onnx_bytes as onnx
from command_line import DIGITS, FAILED, IMAGE, MODEL, USAGE, CommandTest
from serving import Server


def two_inputs(first="n", second="n"):
    """y = a + b, whose leading dimensions have these names."""
    return onnx.model(
        [onnx.node("Add", ["a", "b"], ["y"], name="add")],
        [onnx.port("a", "float32", [first, 3]), onnx.port("b", "float32", [second, 3])],
        [onnx.port("y", "float32", ["m", 3])],
    )


class ConvertDimsTest(CommandTest):
    def convert(self, *options, model=MODEL, code=0):
        self.out = self.folder / "out.ergo"
        return self.ergo("convert", model, "-o", self.out, *options, code=code)

    def shape(self):
        return self.json("inspect", self.out)["inputs"][0]["shape"]

    def test_one_number_fixes_a_dimension(self):
        for option in [["--dim", "batch=4"], ["--batch", 4]]:
            self.convert(*option)
            self.assertEqual(self.shape(), "[4, 1, 8, 8]")
            self.refused("bench", self.out, "--batch", 2, saying="fixed batch")
            report = self.json("run", self.out, "--random", 1)
            self.assertEqual(report["outputs"][0]["shape"], [4, 10])

    def test_a_range_is_kept_and_held_to(self):
        self.convert("--dim", "batch=2,4..8:2")
        self.assertEqual(self.shape(), "[batch, 1, 8, 8]")
        metadata = self.json("inspect", self.out)["metadata"]
        self.assertEqual(metadata["ergo.dims.batch"], "2..8:2")
        self.assertEqual(metadata["ergo.dims.version"], "1")
        # What is not said is the first of them, not 1.
        self.assertEqual(self.json("inspect", self.out)["assumed"], ["batch = 2"])
        self.ergo("run", self.out, "--random", 1, "--dim", "batch=6")
        for wrong in [1, 3, 10]:
            self.refused(
                "run", self.out, "--random", 1, "--dim", f"batch={wrong}", saying=["2..8:2", wrong]
            )

    def test_leading_dimensions_are_the_batch(self):
        model = self.write("two.onnx", two_inputs("n", "k"))
        self.convert("--batch", "1..3", model=model)
        metadata = self.json("inspect", self.out)["metadata"]
        self.assertEqual([metadata[f"ergo.dims.{s}"] for s in "nk"], ["1..3", "1..3"])

    def test_what_makes_no_sense_is_refused(self):
        model = self.write("two.onnx", two_inputs())
        fixed = self.write("fixed.onnx", onnx.binary("Add", shape=(2, 3)))
        for options, saying in [
            ([MODEL, "--dim", "bacth=1"], ["'bacth'", "batch"]),
            ([MODEL, "--dim", "batch"], "--dim"),
            ([MODEL, "--dim", "batch=4..1"], "'4..1'"),
            ([MODEL, "--dim", "batch=1", "--dim", "batch=2"], "twice"),
            ([MODEL, "--batch", "some"], "'some'"),
            ([fixed, "--batch", 2], "[2, 3]"),
            ([fixed, "--dim", "n=2"], "no input has a free dimension"),
            ([model, "--dim", "m=2"], "'m'"),
        ]:
            self.refused("convert", *options, "-o", self.folder / "out.ergo", saying=saying)
        self.assertNotIn("out.ergo", self.names())

    def test_a_range_that_the_model_cannot_take(self):
        # y = reshape(x, [2, 3]) works for n = 1 alone.
        model = self.write(
            "reshape.onnx",
            onnx.model(
                [onnx.node("Reshape", ["x", "s"], ["y"], name="reshape")],
                [onnx.port("x", "float32", ["n", 6])],
                [onnx.port("y", "float32", [2, 3])],
                constants=[onnx.tensor(np.int64([2, 3]), "s")],
            ),
        )
        self.convert("--dim", "n=1", model=model)
        done = self.ergo(
            "convert", model, "-o", self.out, "--dim", "n=1..2", code=USAGE
        )
        self.assertIn("n=2", done.stderr)


class ServeTest(CommandTest):
    def bounded(self, numbers):
        path = self.folder / "digits.ergo"
        self.ergo("convert", MODEL, "-o", path, "--dim", f"batch={numbers}")
        return path

    def ask(self, server, batch, **options):
        return self.ergo("query", "--server", server.endpoint, "--model", "digits", "--random", 1,
                         "--dim", f"batch={batch}", **options)

    def test_all_of_a_range_is_planned_ahead(self):
        with Server(self.bounded("1..4")) as server:
            self.assertNotIn("not planned", "".join(server.log))
            for batch in [1, 4]:
                self.ask(server, batch)
            done = self.ask(server, 5, code=USAGE)
            self.assertIn("1..4", done.stderr)

    def test_what_is_not_planned_ahead_is_said(self):
        with Server(self.bounded("1..4"), "--max-plans", 2) as server:
            self.assertIn("from batch=3 on: only 2 plans", "".join(server.log))
            for batch in [4, 3, 2, 1]:
                self.ask(server, batch)
        with Server(MODEL) as server:
            self.assertIn("dimension 'batch' has no range", "".join(server.log))

    def test_shapes_that_only_a_run_knows(self):
        nonzero = self.write(
            "nonzero.onnx",
            onnx.model(
                [onnx.node("NonZero", ["x"], ["p"], name="find"),
                 onnx.node("Transpose", ["p"], ["y"], name="turn")],
                [onnx.port("x", "float32", ["n"])],
                [onnx.port("y", "int64", ["k", 1])],
            ),
        )
        # y[i] = s + i + 1 for i < trips, s the carried sum: as many rows as trips say.
        body = onnx.graph(
            [onnx.node("Add", ["s", "one"], ["t"]), onnx.node("Identity", ["go"], ["on"]),
             onnx.node("Identity", ["t"], ["row"])],
            [onnx.port("i", "int64", []), onnx.port("go", "bool", []),
             onnx.port("s", "float32", [1])],
            [onnx.port("on", "bool", []), onnx.port("t", "float32", [1]),
             onnx.port("row", "float32", [1])],
            constants=[onnx.tensor(np.float32([1]), "one")],
        )
        loop = self.write(
            "loop.onnx",
            onnx.model(
                [onnx.node("Loop", ["trips", "", "start"], ["last", "y"], name="loop",
                           graphs={"body": body})],
                [onnx.port("trips", "int64", []), onnx.port("start", "float32", [1])],
                [onnx.port("last", "float32", [1]), onnx.port("y", "float32", ["k", 1])],
            ),
        )
        for path in [nonzero, loop]:
            self.ergo("convert", path, "-o", path.with_suffix(".ergo"))
        for suffix in [".onnx", ".ergo"]:
            with Server(*(p.with_suffix(suffix) for p in [nonzero, loop])) as server:
                self.assertIn("only a run knows", "".join(server.log))
                for x in [[0, 3, 0, -1], [0, 0], [5]]:
                    np.save(self.folder / "x.npy", np.float32(x))
                    got = self.answer(server, "nonzero", "y", f"x={self.folder / 'x.npy'}")
                    np.testing.assert_array_equal(got, np.argwhere(np.float32(x)))
                for trips in [3, 1, 5]:
                    np.save(self.folder / "t.npy", np.int64(trips))
                    np.save(self.folder / "s.npy", np.float32([10]))
                    got = self.answer(server, "loop", "y", f"trips={self.folder / 't.npy'}",
                                      f"start={self.folder / 's.npy'}")
                    want = 11 + np.arange(trips, dtype=np.float32).reshape(-1, 1)
                    np.testing.assert_array_equal(got, want)

    def answer(self, server, model, output, *inputs):
        arguments = [word for text in inputs for word in ("--input", text)]
        self.ergo("query", "--server", server.endpoint, "--model", model, *arguments,
                  "--output-dir", self.folder / "answer")
        return np.load(self.folder / "answer" / f"{output}.npy")


if __name__ == "__main__":
    unittest.main()
