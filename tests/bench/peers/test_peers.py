"""The arithmetic of bench/peers, and its workers' protocol with an engine that is none."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest

import numpy as np

PEERS = pathlib.Path(os.environ["ERGO_SOURCE_DIR"]) / "bench" / "peers"
sys.path.insert(0, str(PEERS))

import figures  # noqa: E402
import make_models  # noqa: E402
import report  # noqa: E402


class FiguresTest(unittest.TestCase):
    def test_percentiles_are_over_all_rounds(self):
        found = figures.engine_figures([[1000, 2000, 3000], [4000, 100_000]])
        self.assertEqual((found["median_us"], found["min_us"], found["samples"]), (3.0, 1.0, 5))
        self.assertAlmostEqual(found["p99_us"], 96.16)  # between 4 and 100, 96 % of the way

    def test_ratio_is_of_rounds_and_not_of_everything(self):
        # The machine is ten times slower in the second half: the ratio of the two engines is not.
        own = [[100] * 5] * 4 + [[1000] * 5] * 4
        peer = [[150] * 5] * 4 + [[1500] * 5] * 4
        found = figures.paired_ratio(peer, own)
        self.assertEqual((found["ratio"], found["low"], found["high"]), (1.5, 1.5, 1.5))

    def test_interval_contains_the_ratio_and_widens_with_noise(self):
        generator = np.random.default_rng(3)
        own = [[100.0]] * 25
        widths = []
        for noise in [1, 20]:
            peer = [[200 + noise * x] for x in generator.standard_normal(25)]
            found = figures.paired_ratio(peer, own)
            self.assertLessEqual(found["low"], found["ratio"])
            self.assertLessEqual(found["ratio"], found["high"])
            widths.append(found["high"] - found["low"])
        self.assertLess(5 * widths[0], widths[1])

    def test_geometric_mean(self):
        self.assertAlmostEqual(figures.geometric_mean([1, 4]), 2)
        self.assertTrue(np.isnan(figures.geometric_mean([])))

    def test_differences_count_in_bounds(self):
        expected = np.array([1.0, -100.0, 0.0])
        for actual, missed in [
            ([1, -100, 0], 0),
            ([1, -100.1, 0], 0.1 / (0.1 + 1e-5)),
            ([1, -100, 1e-4], 10),
            ([1.01, -100, 0], 0.01 / (1e-3 + 1e-5)),
        ]:
            found = figures.worst_difference(expected, np.array(actual), 1e-3, 1e-5)
            self.assertAlmostEqual(found, missed, places=6)

    def test_what_is_no_number_must_be_none_on_both_sides(self):
        nan, inf = float("nan"), float("inf")
        for expected, actual, agrees in [
            ([nan, 1], [nan, 1], True),
            ([inf, 1], [inf, 1], True),
            ([inf, 1], [-inf, 1], False),
            ([1, 1], [nan, 1], False),
            ([nan, 1], [1, 1], False),
            ([inf, 1], [nan, 1], False),
        ]:
            found = figures.worst_difference(np.array(expected), np.array(actual), 1e-3, 1e-5)
            self.assertEqual(found <= 1, agrees, (expected, actual))
        self.assertEqual(figures.worst_difference(np.zeros(2), np.zeros(3), 1, 1), float("inf"))
        self.assertEqual(figures.worst_difference(np.zeros((0, 2)), np.zeros((0, 2)), 1, 1), 0)


def match(model, threads, ratios, **engines):
    """A played match in which Ergo was so many times faster than each engine."""
    played = {"median_us": 1.0, "p99_us": 2000.0, "load_ms": 3.0, "version": "1",
              "peak_rss_bytes": 2**20}  # fmt: skip
    found = {"ergo": dict(played)}
    for engine, ratio in ratios.items():
        found[engine] = {**played, "ergo_is_faster": {"ratio": ratio, "low": ratio, "high": ratio}}
    return {"model": model, "threads": threads, "engines": {**found, **engines}}


class MakeModelsTest(unittest.TestCase):
    def outputs(self, model_file):
        import inputs

        arrays = inputs.recorded_arrays(model_file, 0)
        files = [model_file.with_name(f"{i}.npy") for i in range(len(arrays))]
        for file, array in zip(files, arrays):
            inputs.save(file, array)
        return inputs.reference_outputs(model_file, files)["result"]

    def test_models_run_on_the_inputs_made_for_them_and_are_the_same_each_time(self):
        for make, shape in [
            (lambda: make_models.bert(width=8, layers=2, heads=2), (1, make_models.LENGTH, 8)),
            (lambda: make_models.mlp(3), (3, 10)),
        ]:
            with tempfile.TemporaryDirectory() as scratch:
                folders = [pathlib.Path(scratch) / name for name in ("one", "two")]
                results = []
                for folder in folders:
                    make_models.write_model(folder, make())
                    results.append(self.outputs(folder / "model.onnx"))
            self.assertEqual(results[0].shape, shape)
            self.assertTrue(np.isfinite(results[0]).all())
            self.assertGreater(results[0].std(), 0.01)
            np.testing.assert_array_equal(results[0], results[1])


class ReportTest(unittest.TestCase):
    def test_summary_is_against_the_best_of_the_others(self):
        matches = [
            match("a", 1, {"x": 3.0, "y": 2.0}),
            match("b", 1, {"x": 0.5}),
            match("c", 1, {}, ergo={"failed": "no"}),
            match("a", 2, {"x": 1.5}),
        ]
        one, two = report.summary(matches)
        self.assertEqual((one["threads"], one["models"], one["left_out"]), (1, 2, ["c"]))
        self.assertAlmostEqual(one["geometric_mean"], 1.0)
        self.assertEqual(one["worst"], ("b", 0.5))
        self.assertAlmostEqual(two["geometric_mean"], 1.5)
        text = report.summary_text([one, two])
        self.assertIn("worst 0.50x (b)", text)
        self.assertIn("without a figure: c", text)

    def test_a_match_tells_what_failed(self):
        text = report.match_text(match("a", 2, {"x": 2.0}, y={"failed": "cannot\nload"}))
        self.assertIn("a, 2 threads", text)
        self.assertIn("2.00x (2.00 to 2.00)", text)
        self.assertIn("2.00 ms", text)
        self.assertRegex(text, r"y .*cannot")


class WorkerTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="ergo-test-")
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)
        (self.folder / "onnxruntime.py").write_text("print('noise on stdout')\n")
        # Stands before the real one on the path.
        (self.folder / "engines.py").write_text(
            textwrap.dedent(
                """
                class Doubler:
                    version = "7"
                    def __init__(self, model, inputs, threads):
                        if model == "bad":
                            raise ValueError("no such model")
                        print("noise")
                        self.inputs = inputs
                    def run(self):
                        pass
                    def outputs(self):
                        return {"twice": 2 * self.inputs[0]}
                ENGINES = {"onnxruntime": Doubler}
                """
            )
        )
        np.save(self.folder / "x.npy", np.arange(3.0))

    def talk(self, *requests):
        program = (
            f"import sys, runpy; sys.path.insert(0, {str(PEERS)!r}); "
            f"sys.path.insert(0, {str(self.folder)!r}); "
            f"sys.argv = ['worker.py', 'onnxruntime']; "
            f"exec(compile(open({str(PEERS / 'worker.py')!r}).read(), 'worker.py', 'exec'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            input="".join(json.dumps(request) + "\n" for request in requests),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_loads_runs_and_answers(self):
        load = {"op": "load", "threads": 1, "inputs": [str(self.folder / "x.npy")]}
        bad, good, ran, out, memory, unknown = self.talk(
            {**load, "model": "bad"},
            {**load, "model": "good"},
            {"op": "run", "seconds": 0.01},
            {"op": "outputs", "folder": str(self.folder)},
            {"op": "memory"},
            {"op": "dance"},
        )
        self.assertIn("no such model", bad["error"])
        self.assertEqual(good["version"], "7")
        self.assertGreater(len(ran["ns"]), 1)
        self.assertEqual(out["names"], ["twice"])
        np.testing.assert_array_equal(np.load(self.folder / "0.npy"), [0, 2, 4])
        self.assertGreater(memory["peak_rss_bytes"], 2**20)
        self.assertIn("dance", unknown["error"])


class ErgoPeerTest(unittest.TestCase):
    """Ergo's worker, on the bundled model."""

    def test_answers_as_the_command_does(self):
        digits = pathlib.Path(os.environ["ERGO_SOURCE_DIR"]) / "tools" / "digits"
        with tempfile.TemporaryDirectory(prefix="ergo-test-") as folder:
            load = {"op": "load", "threads": 1, "inputs": [str(digits / "image.npy")]}
            requests = [
                {"op": "run", "seconds": 0.01},
                {**load, "model": str(digits / "digits.onnx")},
                {"op": "run", "seconds": 0.01},
                {"op": "outputs", "folder": folder},
                {"op": "memory"},
                {"op": "dance"},
            ]
            done = subprocess.run(
                [os.environ["ERGO_PEER"]],
                input="".join(json.dumps(request) + "\n" for request in requests) + "no json\n",
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            early, loaded, ran, out, memory, *errors = map(json.loads, done.stdout.splitlines())
            self.assertIn("no model", early["error"])
            self.assertGreater(loaded["load_s"], 0)
            self.assertGreater(len(ran["ns"]), 1)
            self.assertGreater(memory["peak_rss_bytes"], 2**20)
            self.assertTrue(all("error" in answer for answer in errors) and len(errors) == 2)
            command = [os.environ["ERGO_BINARY"], "run", str(digits / "digits.onnx")]
            command += ["--input", f"image={digits / 'image.npy'}", "--output-dir", f"{folder}/run"]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            for i, name in enumerate(out["names"]):
                np.testing.assert_array_equal(
                    np.load(f"{folder}/{i}.npy"), np.load(f"{folder}/run/{name}.npy")
                )


if __name__ == "__main__":
    unittest.main()
