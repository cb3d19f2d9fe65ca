"""ergo serve, query and load, against each other over real sockets."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

import numpy as np

import onnx_bytes as onnx
from command_line import (
    BINARY,
    DIGITS,
    FAILED,
    IMAGE,
    MODEL,
    TIMEOUT_S,
    USAGE,
    CommandTest,
    environment,
)
from serving import Server

ASK = ["--model", "digits", "--input", IMAGE]


class ServedTest(CommandTest):
    """One server for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(MODEL, f"again={MODEL}")
        cls.addClassCleanup(cls.server.__exit__)
        cls.at = ["--server", cls.server.endpoint]


class QueryTest(ServedTest):
    def test_an_inference_is_what_run_computes(self):
        for folder, command in [("run", ["run", MODEL]), ("query", ["query", *self.at])]:
            named = ASK if folder == "query" else ["--input", IMAGE]
            self.ergo(*command, *named, "--output-dir", self.folder / folder)
        run, query = (np.load(self.folder / f / "probabilities.npy") for f in ["run", "query"])
        np.testing.assert_array_equal(run, query)
        report = self.json("query", *self.at, *ASK)
        np.testing.assert_array_equal(np.float32(report["outputs"][0]["values"]), run.ravel())
        self.assertGreater(report["compute_us"], 0)
        self.assertIn(report["energy"]["source"], ["measured", "modelled", "unavailable"])
        text = self.ergo("query", *self.at, *ASK).stdout
        self.assertRegex(text, r"energy .*(measured|modelled|unavailable)")

    def test_random_inputs_and_free_dimensions(self):
        ask = ["query", *self.at, "--model", "again", "--random", 3, "--dim", "batch=5"]
        report = self.json(*ask)
        self.assertEqual(report["outputs"][0]["shape"], [5, 10])
        self.assertEqual(report["outputs"], self.json(*ask)["outputs"])

    def test_what_the_server_is(self):
        models = self.json("query", *self.at, "--list")["models"]
        self.assertEqual([m["name"] for m in models], ["again", "digits"])
        self.assertIn("digits", self.ergo("query", *self.at, "--list").stdout)
        metadata = self.json("query", *self.at, "--metadata", "--model", "digits")
        self.assertEqual(metadata["inputs"][0]["shape"], "[batch, 1, 8, 8]")
        health = self.json("query", *self.at, "--health")
        self.assertEqual((health["state"], health["models"]), ("ready", 2))
        before = self.json("query", *self.at, "--stats")["results"]
        self.ergo("query", *self.at, *ASK)
        self.assertEqual(self.json("query", *self.at, "--stats")["results"], before + 1)
        self.assertGreater(self.json("query", *self.at, "--ping")["round_trip_us"], 0)

    def test_what_the_server_refuses(self):
        image = DIGITS / "image.npy"
        for options, saying in [
            (["--model", "digit", "--input", image], "digit"),
            (["--model", "digits", "--version", 9, "--input", image], "digits"),
            (["--model", "digits", "--input", f"img={image}"], ["'img'", "'image'"]),
            (["--model", "digits"], ["'image'", "--random"]),
            (["--model", "digits", "--random", 1, "--shape", "image=1,1,9,9"], "'image'"),
            (["--input", image], "--model"),
        ]:
            self.refused("query", *self.at, *options, saying=saying)
        error = self.json("query", *self.at, "--model", "digit", "--random", 1, code=USAGE)["error"]
        self.assertEqual(error["code"], "NOT_FOUND")

    def test_servers_that_are_not_there(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            at = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        for command in ["query", "load"]:
            self.refused(command, "--server", at, *ASK, saying=at, code=FAILED)
            self.refused(command, "--server", "udp://x:1", *ASK, saying=["udp://x:1", "tcp://"])


class LoadTest(ServedTest):
    def check(self, report):
        self.assertGreater(report["ok"], 0)
        self.assertEqual(report["sent"], report["ok"])
        self.assertFalse(report["errors"])
        for name in ["latency", "queue", "compute"]:
            figures = report[name]
            self.assertEqual(figures["count"], report["ok"])
            order = ["min_us", "p50_us", "p90_us", "p95_us", "p99_us", "p99.9_us", "max_us"]
            order = [figures[key] for key in order]
            self.assertEqual(order, sorted(order))
        self.assertGreater(report["latency"]["min_us"], report["compute"]["min_us"])
        answers = sum(entry["answers"] for entry in report["energy"].values())
        self.assertEqual(answers, report["ok"])

    def test_closed_loop(self):
        options = ["--connections", 3, "--in-flight", 4, "--duration", 0.5, "--warmup", 0.1]
        report = self.json("load", *self.at, *ASK, *options)
        self.check(report)
        self.assertEqual((report["mode"], report["connections"]), ("closed", 3))
        expected = report["ok"] / report["measured_s"]
        self.assertAlmostEqual(report["achieved_per_s"], expected, delta=1e-6 * expected)

    def test_a_number_of_requests(self):
        options = ["--requests", 100, "--duration", 60, "--warmup", 0]
        report = self.json("load", *self.at, *ASK, *options)
        self.check(report)
        self.assertEqual(report["sent"], 100)

    def test_open_loop(self):
        for arrivals in ["constant", "poisson"]:
            options = ["--rate", 100, "--arrivals", arrivals, "--duration", 1, "--warmup", 0]
            report = self.json("load", *self.at, *ASK, *options)
            self.check(report)
            self.assertEqual((report["mode"], report["arrivals"]), ("open", arrivals))
            self.assertEqual(report["offered_per_s"], 100)
            self.assertEqual(report["lag"]["count"], report["sent"])
            if arrivals == "constant":
                self.assertAlmostEqual(report["sent"], 100, delta=1)
            else:
                self.assertAlmostEqual(report["sent"], 100, delta=50)  # 5 sigma

    def test_text(self):
        text = self.ergo("load", *self.at, *ASK, "--duration", 0.2, "--warmup", 0).stdout
        for word in ["closed loop", "p50", "p99", "latency", "queue", "compute", "energy"]:
            self.assertIn(word, text)

    def test_what_is_refused(self):
        self.refused("load", *self.at, "--model", "digit", saying="digit")
        self.refused("load", *self.at, *ASK, "--in-flight", 4000, saying="--in-flight")
        done = self.ergo("load", *self.at, *ASK, "--rate", -1, code=USAGE)
        self.assertIn("--rate", done.stderr)


class StalledServerTest(CommandTest):
    def test_open_loop_counts_from_when_a_request_was_due(self):
        """The server stands still for a while: every request that was due meanwhile has waited, and
        the percentiles show it."""
        rate, stall_s, duration_s = 100, 1.0, 2.0
        with Server(MODEL) as server:
            command = [BINARY, "load", "--server", server.endpoint, *ASK, "--json"]
            command += ["--rate", rate, "--arrivals", "constant", "--warmup", 0]
            command += ["--duration", duration_s]
            load = subprocess.Popen(
                list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment()
            )
            try:
                load.wait(0.5)
            except subprocess.TimeoutExpired:
                pass
            server.process.send_signal(signal.SIGSTOP)
            try:
                load.wait(stall_s)
            except subprocess.TimeoutExpired:
                pass
            server.process.send_signal(signal.SIGCONT)
            report = json.loads(load.communicate(timeout=TIMEOUT_S)[0])
        self.assertEqual(load.returncode, 0)
        self.assertAlmostEqual(report["sent"], rate * duration_s, delta=1)
        self.assertGreater(report["latency"]["max_us"], 0.9e6 * stall_s)
        # Half of all requests fall into the stall, and their waits are spread over all of it: a
        # generator that waits for answers before it sends would show one slow request.
        self.assertGreater(report["latency"]["p90_us"], 0.5e6 * stall_s)


class ServeTest(CommandTest):
    def test_ready_lines_and_drain(self):
        for options, number in [((MODEL,), signal.SIGTERM), ((f"x={MODEL}",), signal.SIGINT)]:
            with Server(*options) as server:
                self.ergo("query", "--server", server.endpoint, "--health")
                server.process.send_signal(number)
                self.assertEqual(server.process.wait(TIMEOUT_S), 0)
            log = "".join(server.log)
            self.assertRegex(log, r"(?m)^listening on tcp://127\.0\.0\.1:\d+$")
            self.assertIn("drained", log)

    def test_threads_stay_where_they_are_pinned(self):
        cpus = sorted(os.sched_getaffinity(0))
        pin = f"{cpus[-1]},{cpus[0]}"
        with Server(MODEL, "--pin", pin, "--rings", 2, "--workers", 2, "--threads", 1) as server:
            pinned = {}
            for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
                name = (task / "comm").read_text().strip()
                status = (task / "status").read_text()
                pinned[name] = re.search(r"Cpus_allowed_list:\s*(\S+)", status)[1]
        for i, name in enumerate(["ergo-ring-0", "ergo-ring-1", "ergo-work-0", "ergo-work-1"]):
            self.assertEqual(pinned[name], str(cpus[-1] if i % 2 == 0 else cpus[0]), pinned)
        self.refused("serve", MODEL, "--pin", "0-", saying=["--pin", "'0-'"])
        self.refused("run", MODEL, "--pin", 99999, saying=["--pin", "99999"])

    def test_json_lines(self):
        serve = subprocess.Popen(
            [BINARY, "serve", MODEL, "--listen", "tcp://127.0.0.1:0", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.addCleanup(serve.kill)
        listening = json.loads(serve.stdout.readline())
        (endpoint,) = listening["endpoints"]
        self.ergo("query", "--server", endpoint, *ASK)
        serve.terminate()
        drained = json.loads(serve.communicate(timeout=TIMEOUT_S)[0])
        self.assertEqual(serve.returncode, 0)
        self.assertEqual(listening["event"], "listening")
        self.assertEqual(listening["models"], [{"name": "digits", "version": 1}])
        self.assertEqual((drained["event"], drained["results"]), ("drained", 1))

    def test_folders_backends_and_unix_sockets(self):
        folder = self.folder / "models"
        self.write("models/one.onnx", MODEL.read_bytes())
        self.write("models/two/3/model.onnx", MODEL.read_bytes())
        for backend in ["auto", "epoll"]:
            at = f"unix://{self.folder}/socket-{backend}"
            with Server("--models", folder, "--backend", backend, listen=at) as server:
                models = self.json("query", "--server", server.endpoint, "--list")["models"]
                found = [(m["name"], m["version"]) for m in models]
                self.assertEqual(found, [("one", 1), ("two", 3)])
                self.ergo("query", "--server", at, "--model", "two", "--input", IMAGE)

    def test_what_is_refused(self):
        self.refused("serve", saying="no model")
        self.refused("serve", MODEL, "--listen", "127.0.0.1:1", saying=["--listen", "tcp://"])
        self.refused("serve", MODEL, MODEL, saying="digits")
        self.refused("serve", f"a/b={MODEL}", saying="name")
        self.refused("serve", MODEL, "--backend", "kqueue", saying=["kqueue", "epoll"])
        self.refused("serve", "--models", self.folder, saying=self.folder)
        cut = self.write("cut.onnx", MODEL.read_bytes()[:5000])
        self.refused("serve", cut, saying="cut.onnx")
        frob = self.write("frob.onnx", onnx.binary("Frob"))
        self.refused("serve", frob, saying=["frob.onnx", "Frob"], code=FAILED)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            at = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            self.refused("serve", MODEL, "--listen", at, saying=at, code=FAILED)


if __name__ == "__main__":
    unittest.main()
