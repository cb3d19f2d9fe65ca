"""ergo bench: figures that agree with each other; how large they are is no test's business."""

import json
import unittest

import onnx_bytes as onnx
from command_line import IMAGE, MODEL, CommandTest

FEW = ["--runs", 20, "--warmup", 2]


class BenchTest(CommandTest):
    def test_figures(self):
        report = self.json("bench", MODEL, *FEW)
        self.assertEqual(report["runs"], 20)
        order = [report[f"{name}_us"] for name in ["min", "p50", "p90", "p99", "max"]]
        self.assertEqual(order, sorted(order))
        self.assertGreater(order[0], 0)
        self.assertLessEqual(report["min_us"], report["mean_us"])
        for name in ["load_us", "plan_us", "peak_rss_bytes", "arena_bytes", "flops"]:
            self.assertGreater(report[name], 0, name)
        gflops = report["flops"] / report["p50_us"] / 1e3
        self.assertAlmostEqual(report["gflop_per_s"], gflops, delta=1e-6 * gflops)

    def test_joules_never_come_bare(self):
        report = self.json("bench", MODEL, "--seconds", "0.2")
        energy = report["energy_per_inference"]
        self.assertIn(energy["source"], ["measured", "modelled", "unavailable"])
        self.assertTrue(report["meter"])
        if energy["source"] == "unavailable":
            self.assertTrue(energy["reason"])
            self.assertNotIn("joules", energy)
        else:
            self.assertGreater(energy["joules"], 0)
            self.assertTrue(energy["domains"])
        text = self.ergo("bench", MODEL, "--seconds", "0.2").stdout
        self.assertRegex(text, r"energy per inference: .*(measured|modelled|unavailable)")

    def test_text_has_what_json_has(self):
        text = self.ergo("bench", MODEL, *FEW, "--input", IMAGE).stdout
        for word in ["20 runs", "min", "p50", "p90", "p99", "GFLOP/s", "load", "peak RSS"]:
            self.assertIn(word, text)

    def test_a_batch_is_more_work(self):
        one = self.json("bench", MODEL, *FEW)
        eight = self.json("bench", MODEL, *FEW, "--batch", 8)
        self.assertEqual(eight["flops"], 8 * one["flops"])
        fixed = self.write("fixed.onnx", onnx.binary("Add", shape=(1, 3)))
        self.refused("bench", fixed, *FEW, "--batch", 8, saying=["fixed", "[1, 3]"])
        self.ergo("bench", fixed, *FEW, "--batch", 1)
        self.ergo("bench", MODEL, *FEW, "--batch", 0, code=2)

    def test_steps(self):
        report = self.json("bench", MODEL, *FEW, "--per-step", 3)
        plan = self.json("inspect", MODEL)["plan"]
        self.assertEqual(sum(step["flops"] for step in report["steps"]), plan["flops"])
        times = [step["median_us"] for step in report["steps"]]
        self.assertEqual(times, sorted(times, reverse=True))
        table = self.ergo("bench", MODEL, *FEW, "--per-step", 3).stdout.split("step ")[1]
        self.assertEqual(len(table.splitlines()), 4)

    def test_threads_and_kernels(self):
        self.assertEqual(self.json("bench", MODEL, *FEW, "--threads", 2)["threads"], 2)
        report = self.json("bench", MODEL, *FEW, "--reference", "--per-step", 1)
        self.assertEqual({s["kernel"].split("/")[1] for s in report["steps"]}, {"reference"})

    def test_trace(self):
        path = self.folder / "trace.json"
        self.ergo("bench", MODEL, *FEW, "--trace", path)
        self.assertTrue(json.loads(path.read_text())["traceEvents"])


if __name__ == "__main__":
    unittest.main()
