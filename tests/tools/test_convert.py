"""ergo convert and ergo inspect."""

import os
import unittest

import numpy as np

import onnx_bytes as onnx
from command_line import DIGITS, FAILED, MODEL, USAGE, CommandTest


def acme_model():
    """Three nodes of operators that nobody has, among one that everybody has."""
    return onnx.model(
        [
            onnx.node("Relu", ["x"], ["r"], name="fine"),
            onnx.node("Frob", ["r"], ["s"], name="first"),
            onnx.node("Zap", ["s"], ["t"], name="second", domain="com.acme"),
            onnx.node("Frob", ["t"], ["y"], name="third"),
        ],
        [onnx.port("x", "float32", [2])],
        [onnx.port("y", "float32", [2])],
        domains=["com.acme"],
    )


class ConvertTest(CommandTest):
    def test_what_was_done_is_reported(self):
        out = self.folder / "digits.ergo"
        report = self.json("convert", MODEL, "-o", out)
        self.assertEqual(report["input_bytes"], MODEL.stat().st_size)
        self.assertEqual(report["output_bytes"], out.stat().st_size)
        self.assertLess(report["nodes_after"], report["nodes_before"])
        changes = {entry["pass"]: entry["changes"] for entry in report["passes"]}
        self.assertGreater(changes["fold-affine"], 0)
        self.assertGreater(changes["fuse-activation"], 0)
        self.assertEqual(self.names(), ["digits.ergo"])
        text = self.ergo("convert", MODEL, "-o", out).stdout
        self.assertIn(f"{report['nodes_before']} nodes -> {report['nodes_after']}", text)
        self.assertIn("fold-affine", text)

    def test_no_optimize_keeps_the_graph(self):
        out = self.folder / "digits.ergo"
        report = self.json("convert", MODEL, "-o", out, "--no-optimize")
        self.assertEqual(report["nodes_after"], report["nodes_before"])
        self.assertNotIn("passes", report)
        # And running it does not optimize behind the user's back.
        operators = self.json("inspect", out)["operators"]
        self.assertIn("BatchNormalization", operators)
        self.ergo("verify", out, "--data", DIGITS)

    def test_the_same_model_gives_the_same_bytes(self):
        for name in ["one", "two"]:
            self.ergo("convert", MODEL, "-o", self.folder / name)
        self.assertEqual(*((self.folder / name).read_bytes() for name in ["one", "two"]))

    def test_every_unsupported_node_is_listed_at_once(self):
        path = self.write("acme.onnx", acme_model())
        out = self.folder / "acme.ergo"
        report = self.json("convert", path, "-o", out, code=FAILED)
        found = [(n["node"], n["op"].split(".")[-1], n["opset"]) for n in report["unsupported"]]
        expected = [("first", "Frob", 17), ("second", "Zap", 1), ("third", "Frob", 17)]
        self.assertEqual(found, expected)
        self.assertTrue(all(n["reason"] for n in report["unsupported"]))
        text = self.ergo("convert", path, "-o", out, code=FAILED).stdout
        for word in ["3 nodes", "first", "second", "third", "opset", "reason"]:
            self.assertIn(word, text)
        self.assertNotIn("fine", text)
        self.assertEqual(self.names(), ["acme.onnx"])
        for command in ["inspect", "bench"]:
            self.refused(command, path, saying=["first", "second", "third"], code=FAILED)

    def test_unsupported_nodes_within_subgraphs_and_functions(self):
        body = onnx.graph(
            [onnx.node("Identity", ["go"], ["on"]), onnx.node("Frob", ["s"], ["t"], name="inner")],
            [onnx.port("i", "int64", []), onnx.port("go", "bool", []),
             onnx.port("s", "float32", [2])],
            [onnx.port("on", "bool", []), onnx.port("t", "float32", [2])],
        )
        function = onnx.function("Twice", "local", ["a"], ["b"],
                                 [onnx.node("Zap", ["a"], ["b"], name="called")])
        path = self.write(
            "nested.onnx",
            onnx.model(
                [onnx.node("Loop", ["", "go", "x"], ["l"], name="loop", graphs={"body": body}),
                 onnx.node("Twice", ["l"], ["y"], name="call", domain="local")],
                [onnx.port("go", "bool", []), onnx.port("x", "float32", [2])],
                [onnx.port("y", "float32", [2])],
                domains=["local"],
                functions=[function],
            ),
        )
        report = self.json("convert", path, "-o", self.folder / "o", code=FAILED)
        self.assertEqual([n["op"] for n in report["unsupported"]], ["Frob", "Zap"])
        self.assertIn("inner", report["unsupported"][0]["node"])
        self.assertIn("call", report["unsupported"][1]["node"])

    def test_what_takes_too_much_is_refused(self):
        out = self.folder / "o.ergo"
        done = self.ergo("convert", MODEL, "-o", out, "--max-memory", "10KB", code=FAILED)
        self.assertIn("bytes of memory", done.stderr)
        # A loop whose condition never changes.
        body = onnx.graph(
            [onnx.node("Identity", ["go"], ["on"]), onnx.node("Identity", ["s"], ["t"])],
            [onnx.port("i", "int64", []), onnx.port("go", "bool", []),
             onnx.port("s", "float32", [2])],
            [onnx.port("on", "bool", []), onnx.port("t", "float32", [2])],
        )
        path = self.write(
            "endless.onnx",
            onnx.model(
                [onnx.node("Loop", ["", "go", "x"], ["y"], name="loop", graphs={"body": body})],
                [onnx.port("go", "bool", []), onnx.port("x", "float32", [2])],
                [onnx.port("y", "float32", [2])],
            ),
        )
        np.save(self.folder / "go.npy", np.bool_(True))
        go = ["--input", f"go={self.folder / 'go.npy'}"]
        done = self.ergo("run", path, *go, "--random", 1, "--max-seconds", 0.2, code=FAILED)
        self.assertIn("0.2 s", done.stderr)
        self.assertNotIn("o.ergo", self.names())

    def test_a_failed_conversion_leaves_what_was_there(self):
        out = self.write("kept.ergo", b"precious")
        whole = MODEL.read_bytes()
        for share in [0, 0.3, 0.7, 0.99]:
            cut = self.write("cut.onnx", whole[: int(len(whole) * share)])
            self.refused("convert", cut, "-o", out, saying="cut.onnx")
            self.assertEqual(out.read_bytes(), b"precious")
        self.assertEqual(self.names(), ["cut.onnx", "kept.ergo"])

    def test_an_output_that_cannot_be_written(self):
        nowhere = self.folder / "no" / "such" / "out.ergo"
        done = self.ergo("convert", MODEL, "-o", nowhere, code=USAGE)
        self.assertIn(str(nowhere), done.stderr)
        (self.folder / "folder").mkdir()
        done = self.ergo("convert", MODEL, "-o", self.folder / "folder", code=FAILED)
        self.assertIn("folder", done.stderr)
        self.assertEqual(self.names(), [])

    def test_damage_in_a_converted_model_is_found(self):
        out = self.folder / "digits.ergo"
        self.ergo("convert", MODEL, "-o", out)
        whole = out.read_bytes()
        random = np.random.default_rng(1)
        for position in random.integers(0, len(whole), 40):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << random.integers(8)
            path = self.write("damaged.ergo", bytes(damaged))
            done = self.ergo("inspect", path, code=USAGE)
            self.assertIn("damaged.ergo", done.stderr)

    def test_names_cannot_steer_the_terminal(self):
        path = self.write(
            "evil.onnx",
            onnx.model(
                [onnx.node("Frob", ["x"], ["y"], name="\x1b[2J\x07evil")],
                [onnx.port("x", "float32", [2])],
                [onnx.port("y", "float32", [2])],
            ),
        )
        for arguments in [["convert", path, "-o", self.folder / "o"], ["inspect", path]]:
            done = self.ergo(*arguments, code=FAILED)
            self.assertIn("evil", done.stdout + done.stderr)
            self.assertNotIn("\x1b", done.stdout + done.stderr)


class InspectTest(CommandTest):
    def test_inputs_outputs_nodes_and_plan(self):
        for path in [MODEL, self.folder / "digits.ergo"]:
            if not path.exists():
                self.ergo("convert", MODEL, "-o", path)
            report = self.json("inspect", path)
            self.assertEqual(report["inputs"][0]["name"], "image")
            self.assertEqual(report["inputs"][0]["shape"], "[batch, 1, 8, 8]")
            self.assertEqual(report["outputs"][0]["name"], "probabilities")
            self.assertEqual(report["nodes"], sum(report["operators"].values()))
            self.assertEqual(report["assumed"], ["batch = 1"])
            plan = report["plan"]
            self.assertEqual(plan["steps"], sum(plan["kernels"].values()))
            self.assertGreater(plan["flops"], 0)
            self.assertGreater(plan["arena_bytes"], 0)
            self.assertIn("assumed batch = 1", self.ergo("inspect", path).stdout)

    def test_more_images_are_more_work(self):
        one = self.json("inspect", MODEL)["plan"]
        for option in [["--dim", "batch=4"], ["--shape", "image=4,1,8,8"]]:
            four = self.json("inspect", MODEL, *option)
            self.assertNotIn("assumed", four)
            self.assertEqual(four["plan"]["flops"], 4 * one["flops"])

    def test_steps_add_up(self):
        plan = self.json("inspect", MODEL, "--steps")["plan"]
        steps = plan["step_list"]
        self.assertEqual(len(steps), plan["steps"])
        self.assertEqual(sum(step["flops"] for step in steps), plan["flops"])
        text = self.ergo("inspect", MODEL, "--steps").stdout
        for step in steps:
            self.assertIn(step["label"], text)

    def test_dimensions_that_the_model_does_not_have(self):
        self.refused("inspect", MODEL, "--dim", "bacth=4", saying=["'bacth'", "batch"])
        self.refused("inspect", MODEL, "--shape", "img=1", saying=["'img'", "'image'"])
        self.refused("inspect", MODEL, "--shape", "image=1,1,9,8", saying="[batch, 1, 8, 8]")
        self.refused("inspect", MODEL, "--dim", "batch=-1", saying="'-1'")
        self.refused("inspect", MODEL, "--shape", "image=1,1,8,8,", saying="--shape")
        huge = 1 << 40
        self.ergo("inspect", MODEL, "--dim", f"batch={huge}", code=FAILED)

    def test_kernels(self):
        report = self.json("inspect", "--kernels")
        kernels = {(k["family"], k["variant"]) for k in report["kernels"]}
        for kernel in [("gemm", "simd"), ("conv", "onednn"), ("conv", "reference")]:
            self.assertIn(kernel, kernels)
        self.assertTrue(report["simd"])
        self.assertIn("onednn", self.ergo("inspect", "--kernels").stdout)
        self.refused("inspect", saying="which model")

    def test_why_other_kernels_were_not_chosen(self):
        plan = self.json("inspect", MODEL, "--explain")["plan"]
        self.assertEqual(len(plan["explanations"]), plan["steps"])
        chosen = 0
        for step in plan["explanations"]:
            for candidate in step["candidates"]:
                self.assertTrue(candidate["why"])
                if candidate["why"] != "chosen":
                    continue
                chosen += 1
                self.assertEqual(step["kernel"].split("/")[1], candidate["variant"])
                self.assertTrue(candidate["accepted"])
        self.assertGreater(chosen, 0)
        text = self.ergo("inspect", MODEL, "--explain").stdout
        self.assertIn("stands behind the one chosen", text)
        self.assertIn("chosen", text)

    def test_reference_takes_reference_kernels_only(self):
        kernels = self.json("inspect", MODEL, "--reference")["plan"]["kernels"]
        self.assertEqual({k.split("/")[1] for k in kernels}, {"reference"})
        forced = self.json("inspect", MODEL, "--kernel", "conv=onednn,gemm=reference")["plan"]
        self.assertIn("conv/onednn", forced["kernels"])
        self.assertIn("gemm/reference", forced["kernels"])


if __name__ == "__main__":
    os.umask(0o022)
    unittest.main()
