"""The real `ergo` binary, run as its users run it."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["ERGO_SOURCE_DIR"])
BINARY = os.environ["ERGO_BINARY"]
DIGITS = SOURCE / "tools" / "digits"
MODEL = DIGITS / "digits.onnx"
IMAGE = f"image={DIGITS / 'image.npy'}"
OK, FAILED, USAGE = 0, 1, 2
# A sanitizer's finding must not look like one of the exit codes above.
SANITIZER_EXIT = 99
TIMEOUT_S = 120

sys.path.insert(0, str(SOURCE / "tests" / "python"))


def environment(**variables):
    settings = f"exitcode={SANITIZER_EXIT}"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ERGO_")}
    return {**inherited, "ASAN_OPTIONS": settings, "UBSAN_OPTIONS": settings, **variables}


class CommandTest(unittest.TestCase):
    """Test cases with a folder of their own, `self.folder`."""

    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="ergo-test-")
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)

    def ergo(self, *arguments, code=OK, **variables):
        """Runs `ergo`, expects the exit code, returns what it printed."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=environment(**variables),
        )
        said = f"ergo {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
        self.assertEqual(done.returncode, code, said)
        if code == OK:
            self.assertEqual(done.stderr, "", said)
        return done

    def json(self, *arguments, code=OK):
        """The report under --json."""
        return json.loads(self.ergo(*arguments, "--json", code=code).stdout)

    def refused(self, *arguments, saying, code=USAGE, **variables):
        """Expects one clear error: on stderr, from this subcommand, and nothing like a crash."""
        done = self.ergo(*arguments, code=code, **variables)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith(f"ergo {arguments[0]}: "), done.stderr)
        for text in saying if isinstance(saying, list) else [saying]:
            self.assertIn(str(text), done.stderr)
        for text in ["terminate called", "what():", "check failed", "Sanitizer"]:
            self.assertNotIn(text, done.stderr)
        return done

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def names(self):
        """Every file in the folder: what a failed command must not have added to."""
        return sorted(p.name for p in self.folder.rglob("*") if p.is_file())
