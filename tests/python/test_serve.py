"""The Python client against the real `ergo serve`: every call, load, and a stop in the middle."""

import pathlib
import signal
import subprocess
import threading
import time
import unittest

import numpy as np

import ergo
from serving import BINARY, DIGITS, Server, digits_case, scratch

CONNECTIONS = 64
IN_FLIGHT = 32
MODEL = DIGITS / "digits.onnx"
RTOL, ATOL = 1e-3, 1e-5


class ServeTest(unittest.TestCase):
    def check(self, result, expected):
        np.testing.assert_allclose(result["probabilities"], expected, RTOL, ATOL)

    def test_every_call(self):
        images, expected = digits_case()
        with Server(MODEL) as server, ergo.connect(server.endpoint) as client:
            self.assertEqual([m.name for m in client.models()], ["digits"])
            metadata = client.metadata("digits")
            self.assertEqual(metadata.inputs, (ergo.Port("image", "float32", ("batch", 1, 8, 8)),))
            self.assertEqual([p.name for p in metadata.outputs], ["probabilities"])
            self.assertGreater(client.ping(bytes(1024)), 0)

            for inputs in [{"image": images}, [images]]:
                result = client.infer("digits", inputs, deadline_us=10_000_000)
                self.check(result, expected)
            self.assertEqual(result.model_version, metadata.version)
            self.assertGreater(result.compute_us, 0)
            self.assertLess(result.compute_us, result.round_trip_us)
            # Some meter, or the word that there is none; never a silent 0.
            if result.energy.joules is not None:
                self.assertGreater(result.energy.joules, 0)

            health = client.health()
            self.assertEqual((health.state, health.models), ("ready", 1))
            stats = client.stats()
            self.assertEqual(stats["results"].value, 2)
            self.assertEqual(stats["connections.open"].value, 1)

    def test_wrong_requests_are_told_what_is_wrong(self):
        images, expected = digits_case()
        with Server(MODEL) as server, ergo.connect(server.endpoint) as client:
            for code, model, inputs in [
                ("MODEL_NOT_FOUND", "digit", {"image": images}),
                ("INVALID_INPUT", "digits", {"picture": images}),
                ("INVALID_INPUT", "digits", {"image": images.astype(np.float64)}),
                ("INVALID_INPUT", "digits", {"image": images[:, :, 1:]}),
                ("INVALID_INPUT", "digits", {}),
                ("INVALID_INPUT", "digits", [images, images]),
            ]:
                with self.assertRaises(ergo.ServerError) as caught:
                    client.infer(model, inputs)
                self.assertEqual(caught.exception.name, code, caught.exception)
            self.check(client.infer("digits", [images]), expected)

    def test_the_converted_model_over_a_unix_socket(self):
        images, expected = digits_case()
        with scratch() as folder:
            converted = pathlib.Path(folder) / "digits.ergo"
            subprocess.run(
                [BINARY, "convert", MODEL, "-o", converted], check=True, stdout=subprocess.DEVNULL
            )
            with Server(converted, listen=f"unix://{folder}/socket") as server:
                with ergo.connect(server.endpoint) as client:
                    self.check(client.infer("digits", [images]), expected)

    def test_sigterm_in_the_middle_loses_nothing(self):
        """64 connections with 32 requests in flight each; SIGTERM while all of them are busy. A
        client that stops sending at GOAWAY gets an answer to every request that it sent."""
        images, expected = digits_case()
        results = [0] * CONNECTIONS
        refused = [0] * CONNECTIONS
        failures = []

        def drive(number, client):
            def answer(row, future):
                try:
                    self.check(future.result(60), expected[row : row + 1])
                    results[number] += 1
                except ergo.ServerError as error:
                    if error.name != "DRAINING":
                        raise
                    refused[number] += 1

            try:
                pending = []
                sent = 0
                while not client.draining:
                    while len(pending) < IN_FLIGHT:
                        row = (number + sent) % len(images)
                        pending.append((row, client.submit("digits", [images[row : row + 1]])))
                        sent += 1
                    answer(*pending.pop(0))
                client.finish_sending()
                for row, future in pending:
                    answer(row, future)
                if results[number] + refused[number] != sent:
                    raise AssertionError(f"{sent} sent, {results[number]} + {refused[number]} back")
            except BaseException as error:
                failures.append(error)

        with Server(MODEL) as server:
            clients = [ergo.connect(server.endpoint) for _ in range(CONNECTIONS)]
            threads = [threading.Thread(target=drive, args=pair) for pair in enumerate(clients)]
            for thread in threads:
                thread.start()
            while min(results) < IN_FLIGHT and not failures:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join(100)
            self.assertEqual(failures, [])
            self.assertEqual(server.process.wait(30), 0)
            for client in clients:
                client.close()
        print(f"{sum(results)} answered and {sum(refused)} refused as draining, none lost")


if __name__ == "__main__":
    unittest.main()
