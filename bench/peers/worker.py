"""One engine in a process of its own: `python worker.py ENGINE`.

JSON lines on stdin, one answer each on stdout; ergo_peer.cc speaks the same.
    {"op": "load", "model": PATH, "threads": N, "inputs": [FILE, ...]}  -> {"load_s", "version"}
    {"op": "run", "seconds": S}      runs until S seconds are over       -> {"ns": [of each run]}
    {"op": "outputs", "folder": DIR} writes DIR/0.npy, ...               -> {"names": [...]}
    {"op": "memory"}                                                     -> {"peak_rss_bytes"}
What goes wrong is answered as {"error": TEXT}. load_s does not count the start of the process, the
import of the engine's library or the reading of inputs.
"""

import importlib
import json
import os
import pathlib
import re
import sys
import time

import numpy as np

from engines import ENGINES

LIBRARIES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}


class Worker:
    def __init__(self, name):
        self.name = name
        self.engine = None

    def load(self, request):
        inputs = [np.load(path) for path in request["inputs"]]
        importlib.import_module(LIBRARIES.get(self.name, "torch"))
        begin = time.perf_counter()
        self.engine = ENGINES[self.name](request["model"], inputs, request["threads"])
        return {"load_s": time.perf_counter() - begin, "version": self.engine.version}

    def run(self, request):
        run, clock, ns = self.engine.run, time.perf_counter_ns, []
        end = clock() + int(request["seconds"] * 1e9)
        now = 0
        while now < end:
            begin = clock()
            run()
            now = clock()
            ns.append(now - begin)
        return {"ns": ns}

    def outputs(self, request):
        arrays = self.engine.outputs()
        for i, array in enumerate(arrays.values()):
            np.save(pathlib.Path(request["folder"]) / f"{i}.npy", array)
        return {"names": list(arrays)}

    def memory(self, _):
        # Not getrusage's, which begins with what the parent had.
        status = pathlib.Path("/proc/self/status").read_text()
        return {"peak_rss_bytes": int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024}

    def answer(self, request):
        try:
            return {
                "load": self.load,
                "run": self.run,
                "outputs": self.outputs,
                "memory": self.memory,
            }[request["op"]](request)
        except Exception as error:  # whatever a library throws is the answer
            return {"error": f"{type(error).__name__}: {error}"}


def main():
    # Libraries print; the answers go where they cannot.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
