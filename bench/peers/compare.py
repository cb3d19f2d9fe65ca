"""Ergo beside other engines on the same models: latency, load time and memory, in one run.

Each engine runs in a process of its own, loads the model once, and takes its turn in every round:
A B C, B C A, C A B, ... What slows the machine down for a while slows all of them down. Before
anything is timed, every engine's outputs are compared with ONNX Runtime's, all optimizations off.
Models for --folder, and their modules for PyTorch, come from tests/exports/export_models.py;
those of --transformers are made here, with the inputs that they are given.

examples:
  bench/peers/compare --onnx model.onnx                 one model, 1 thread
  bench/peers/compare --folder exports --threads 1 2    every FOLDER/NAME/model.onnx
  bench/peers/compare --transformers --threads 1 2      BERT, MiniLM and perceptrons
  bench/peers/compare --onnx m.onnx --dim batch=8 --engines ergo onnxruntime --rounds 31
  bench/peers/compare --folder exports --json results.json --plot results.svg
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ["onnxruntime", "openvino", "torch", "torch-compile"]
WITHOUT_TORCH = ["ergo", "onnxruntime", "openvino"]
# An element agrees within RTOL of itself, or within ATOL of the largest of its tensor.
RTOL, ATOL = 1e-3, 1e-4
SETTLE_S = 0.02  # between turns: threads that spin after work have gone to sleep
MIN_SAMPLES = 3  # a round's turn is as long as it takes for so many runs


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--onnx", nargs="+", type=pathlib.Path, metavar="FILE", help="these models")
    what.add_argument("--folder", type=pathlib.Path, help="every NAME/model.onnx of a folder")
    what.add_argument("--transformers", action="store_true",
                      help="every model of make_models.py")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the folder, only these")
    parser.add_argument("--dim", nargs="+", default=[], metavar="NAME=N",
                        help="free dimensions of the random inputs, 1 where not given")  # fmt: skip
    parser.add_argument("--recorded", type=int, metavar="K",
                        help="inputs of test_data_set_K beside the model")  # fmt: skip
    parser.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N")
    parser.add_argument("--engines", nargs="+", choices=["ergo", *PEERS], metavar="ENGINE",
                        help=f"of ergo, {', '.join(PEERS)}")  # fmt: skip
    parser.add_argument("--with-torch", action="store_true", help="install PyTorch, and compare it")
    parser.add_argument("--rounds", type=int, default=15, help="rounds a model (default 15)")
    parser.add_argument("--turn", type=float, default=0.3, metavar="SECONDS",
                        help="one engine's turn in a round (default 0.3)")  # fmt: skip
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="all figures")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="ratios, .svg or .png")
    parser.add_argument("--build", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


class Worker:
    """An engine's process. Requests raise RuntimeError with what it said."""

    def __init__(self, engine, build):
        if engine == "ergo":
            command = [build / "bench" / "peers" / "ergo_peer"]
        else:
            command = [sys.executable, HERE / "worker.py", engine]
        self.engine = engine
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def ask(self, **request):
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(f"its process ended: {self.log.read()[-500:].strip()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Progress:
    """A line on the terminal that is written over; nothing elsewhere."""

    def __init__(self):
        self.begin = time.monotonic()

    def show(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{time.monotonic() - self.begin:5.0f} s  {text}", end="", flush=True,
                  file=sys.stderr)  # fmt: skip

    def clear(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", flush=True, file=sys.stderr)


def models_of(arguments):
    """(name, path) of each model."""
    if arguments.onnx:
        return [(path.parent.name if path.stem == "model" else path.stem, path)
                for path in arguments.onnx]  # fmt: skip
    found = sorted(arguments.folder.glob("*/model.onnx"))
    found = [(path.parent.name, path) for path in found]
    if arguments.only:
        unknown = set(arguments.only) - {name for name, _ in found}
        if unknown:
            sys.exit(f"{arguments.folder} has no {', '.join(sorted(unknown))}")
        found = [(name, path) for name, path in found if name in arguments.only]
    if not found:
        sys.exit(f"no */model.onnx in {arguments.folder}")
    return found


def write_inputs(path, arguments, folder):
    """The model's inputs as .npy files."""
    import inputs

    if arguments.recorded is None:
        arrays = inputs.random_arrays(path, arguments.dim)
    else:
        arrays = inputs.recorded_arrays(path, arguments.recorded)
    files = []
    for i, array in enumerate(arrays):
        files.append(str(folder / f"input_{i}.npy"))
        inputs.save(files[-1], array)
    return files


class Match:
    """One model on one number of threads."""

    def __init__(self, name, path, threads, arguments, progress):
        self.name, self.path, self.threads = name, path.resolve(), threads
        self.arguments, self.progress = arguments, progress
        self.engines = {}  # name -> figures, or {"failed": reason}

    def chosen(self):
        engines = self.arguments.engines
        if engines is None:
            engines = ["ergo", *PEERS] if self.arguments.with_torch else WITHOUT_TORCH
        return engines

    def play(self):
        with tempfile.TemporaryDirectory(prefix="ergo-peers-") as scratch:
            folder = pathlib.Path(scratch)
            files = write_inputs(self.path, self.arguments, folder)
            workers = self.load(folder, files)
            try:
                self.check(workers, folder, files)
                self.time(workers)
            finally:
                for worker in workers.values():
                    worker.close()
        return {"model": self.name, "threads": self.threads, "engines": self.engines}

    def load(self, folder, files):
        workers = {}
        for engine in self.chosen():
            self.progress.show(f"{self.name}, {self.threads} threads: {engine} loads")
            model = self.path
            worker = Worker(engine, self.arguments.build)
            try:
                if engine == "ergo":
                    model = folder / "model.ergo"
                    self.convert(model)
                told = worker.ask(op="load", model=str(model), threads=self.threads, inputs=files)
            except RuntimeError as error:
                self.engines[engine] = {"failed": str(error)}
                worker.close()
                continue
            workers[engine] = worker
            self.engines[engine] = {"load_ms": told["load_s"] * 1e3,
                                    "version": told.get("version", "")}  # fmt: skip
        return workers

    def convert(self, model):
        command = [self.arguments.build / "ergo", "convert", self.path, "-o", model]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError((done.stdout + done.stderr).strip()[-500:])

    def check(self, workers, folder, files):
        """Sorts out engines whose outputs are not those of the unoptimized graph."""
        import inputs
        from figures import worst_difference

        try:
            expected = inputs.reference_outputs(self.path, files)
        except Exception as error:  # whatever the library throws: these inputs are not for it
            said = str(error).splitlines()[0]
            for engine in list(workers):
                self.drop(workers, engine, f"there is no reference: {said}")
            return
        for engine in list(workers):
            out = folder / engine
            out.mkdir()
            try:
                names = workers[engine].ask(op="outputs", folder=str(out))["names"]
            except RuntimeError as error:
                self.drop(workers, engine, str(error))
                continue
            arrays = {name: inputs.load(out / f"{i}.npy") for i, name in enumerate(names)}
            missed = 0.0
            for name, reference in expected.items():
                scale = abs(reference).max() if reference.size else 1.0
                missed = max(missed, worst_difference(reference, arrays[name], RTOL, ATOL * scale)
                             if name in arrays else float("inf"))  # fmt: skip
            self.engines[engine]["difference"] = missed
            if not missed <= 1:
                self.drop(workers, engine, f"its outputs miss their bound {missed:.3g} times")

    def drop(self, workers, engine, reason):
        self.engines[engine]["failed"] = reason
        workers.pop(engine).close()

    def time(self, workers):
        from figures import engine_figures, paired_ratio

        turn = self.arguments.turn
        for engine, worker in workers.items():  # warm, and long enough for MIN_SAMPLES
            self.progress.show(f"{self.name}, {self.threads} threads: {engine} warms up")
            ns = worker.ask(op="run", seconds=turn)["ns"]
            turn = max(turn, MIN_SAMPLES * min(ns) / 1e9)
        rounds = {engine: [] for engine in workers}
        order = list(workers)
        for number in range(self.arguments.rounds):
            self.progress.show(
                f"{self.name}, {self.threads} threads: round {number + 1} of "
                f"{self.arguments.rounds}"
            )
            for engine in order:
                time.sleep(SETTLE_S)
                rounds[engine].append(workers[engine].ask(op="run", seconds=turn)["ns"])
            order = order[1:] + order[:1]
        for engine, worker in workers.items():
            figures = self.engines[engine]
            figures.update(engine_figures(rounds[engine]), **worker.ask(op="memory"))
            if engine != "ergo" and "ergo" in rounds:
                figures["ergo_is_faster"] = paired_ratio(rounds[engine], rounds["ergo"])


def machine():
    name = "unknown"
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return {"processor": name, "processors": len(os.sched_getaffinity(0)),
            "kernel": platform.release()}  # fmt: skip


def main():
    arguments = parse_arguments()
    if arguments.build is None:
        sys.exit("call bench/peers/compare, which builds what this needs")
    import report

    if arguments.transformers:
        import make_models

        arguments.folder = arguments.build / "peers-models"
        arguments.recorded = 0
        make_models.make_models(arguments.folder)

    progress = Progress()
    matches = []
    for name, path in models_of(arguments):
        for threads in arguments.threads:
            match = Match(name, path, threads, arguments, progress).play()
            matches.append(match)
            progress.clear()
            print(report.match_text(match), flush=True)
    document = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "rounds": arguments.rounds,
        "turn_s": arguments.turn,
        "matches": matches,
    }
    document["summary"] = report.summary(matches)
    print(report.summary_text(document["summary"]))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.plot:
        report.plot(document, arguments.plot)


if __name__ == "__main__":
    main()
