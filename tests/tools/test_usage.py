"""What every subcommand shares: help, usage errors, exit codes, JSON errors."""

import os
import subprocess
import unittest

from command_line import BINARY, FAILED, MODEL, USAGE, CommandTest, environment

COMMANDS = ["convert", "inspect", "verify", "run", "bench", "serve", "query", "load", "conformance"]


class UsageTest(CommandTest):
    def test_help_of_each_command_shows_an_example(self):
        overview = self.ergo("--help").stdout
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", overview)
            text = self.ergo(command, "--help").stdout
            self.assertIn("Example:", text)
            self.assertIn(f"  ergo {command} ", text)
            self.assertIn("--json", text)

    def test_help_documents_exit_codes_and_environment(self):
        text = self.ergo("--help").stdout
        for word in ["Exit codes: 0", "ERGO_KERNEL", "ERGO_SIMD_TARGET"]:
            self.assertIn(word, text)

    def test_version(self):
        self.assertRegex(self.ergo("--version").stdout, r"^ergo \d+\.\d+\.\d+\n$")

    def test_what_cannot_be_parsed_is_usage(self):
        for arguments in [
            [],
            ["frobnicate"],
            ["run"],
            ["run", MODEL, "--no-such-option"],
            ["convert", MODEL],
            ["verify", MODEL],
            ["verify", MODEL, "--data", ".", "--rtol", "-1"],
            ["bench", MODEL, "--runs", "0"],
            ["bench", MODEL, "--threads", "many"],
            ["load"],
            ["load", "--model", "digits", "--arrivals", "bursty"],
        ]:
            done = self.ergo(*arguments, code=USAGE)
            self.assertEqual(done.stdout, "")
            self.assertIn("--help", done.stderr)

    def test_a_missing_model_is_named(self):
        missing = self.folder / "none.onnx"
        for arguments in [
            ["convert", missing, "-o", self.folder / "out.ergo"],
            ["inspect", missing],
            ["verify", missing, "--data", self.folder],
            ["run", missing],
            ["bench", missing],
            ["serve", missing],
        ]:
            self.refused(*arguments, saying=[missing, "NOT_FOUND"])
            error = self.json(*arguments, code=USAGE)["error"]
            self.assertEqual(error["code"], "NOT_FOUND")
            self.assertIn(str(missing), error["message"])
        self.assertEqual(self.names(), [])

    def test_a_folder_is_no_model(self):
        self.refused("inspect", self.folder, saying=self.folder)

    def test_files_that_are_no_models(self):
        for name, data in [("empty", b""), ("text", b"hello, world\n"), ("zeros", bytes(4096))]:
            for extension in ["onnx", "ergo"]:
                path = self.write(f"{name}.{extension}", data)
                for command in ["inspect", "bench"]:
                    self.refused(command, path, saying=name)

    def test_a_model_cut_anywhere_is_refused(self):
        whole = MODEL.read_bytes()
        converted = self.folder / "digits.ergo"
        self.ergo("convert", MODEL, "-o", converted)
        for data, name in [(whole, "cut.onnx"), (converted.read_bytes(), "cut.ergo")]:
            for share in [0.001, 0.01, 0.1, 0.5, 0.9, 0.999]:
                path = self.write(name, data[: int(len(data) * share)])
                self.refused("inspect", path, saying=name)

    def test_kernels_and_targets_that_do_not_exist(self):
        self.refused("run", MODEL, "--kernel", "gem=simd", saying=["'gem=simd'", "conv"])
        self.refused("run", MODEL, "--kernel", "gemm=warp", saying=["'gemm=warp'", "reference"])
        self.refused("run", MODEL, "--kernel", "gemm", saying="'gemm'")
        self.refused("run", MODEL, "--simd", "MMX", saying=["--simd", "MMX"])

    def test_the_environment_gives_defaults(self):
        self.refused("run", MODEL, "--random", 1, saying="'gem=simd'", ERGO_KERNEL="gem=simd")
        self.refused("run", MODEL, "--random", 1, saying="MMX", ERGO_SIMD_TARGET="MMX")
        self.ergo("run", MODEL, "--random", 1, "--kernel", "gemm=simd", ERGO_KERNEL="gem=simd")
        table = self.ergo("inspect", MODEL, ERGO_KERNEL="conv=reference").stdout
        self.assertIn("conv/reference", table)

    def test_a_report_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [BINARY, "inspect", MODEL, "--json"],
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment(),
            )
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"standard output", done.stderr)

    def test_a_closed_pipe_is_no_crash(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([BINARY, "inspect", MODEL], stdout=writer, env=environment())
        os.close(writer)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotEqual(done.returncode, -6)


if __name__ == "__main__":
    unittest.main()
