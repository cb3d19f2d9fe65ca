"""What can be known of device code without a device: every function of every family is compiled for
every architecture, and what ptxas says of its registers and spills."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["ERGO_SOURCE_DIR"])
BUILT = pathlib.Path(os.environ["ERGO_CUDA_FOLDER"])
ARCHITECTURES = os.environ["ERGO_CUDA_ARCHITECTURES"].split(",")

# Functions that may spill a little: a switch over all operators of integers, each thread with four
# elements of 64 bits.
MAY_SPILL_BYTES = {"ergo_elementwise_integer": 16}
# Of 65536 on a multiprocessor: below, at least two blocks of 256 threads are resident.
MOST_REGISTERS = 128
# What functions of these names are written for must be in their machine code.
INSTRUCTIONS = {
    "ergo_gemm_mma_f16": ["HMMA.16816.F32", "LDSM", "LDGSTS"],
    "ergo_gemm_mma_bf16": ["HMMA.16816.F32.BF16", "LDSM", "LDGSTS"],
}


def listed_functions():
    """family -> names, from the lists that both nvcc and the emulator read."""
    lists = {}
    for path in sorted(SOURCE.glob("kernels/*/*_cuda_kernels.inc")):
        family = path.name.removesuffix("_cuda_kernels.inc")
        lists[family] = re.findall(r"^ERGO_CUDA_KERNEL\((\w+)", path.read_text(), re.MULTILINE)
    return lists


def compiled_functions(family):
    """(name, architecture) -> (registers, bytes spilled)."""
    text = (BUILT / f"{family}.fatbin.resources").read_text()
    functions = {}
    for part in text.split("Compiling entry function ")[1:]:
        name, architecture = re.match(r"'(\w+)' for 'sm_(\w+)'", part).groups()
        spilled = max(int(n) for n in re.findall(r"(\d+) bytes spill", part))
        registers = int(re.search(r"Used (\d+) registers", part).group(1))
        functions[name, architecture] = (registers, spilled)
    return functions


class DeviceCode(unittest.TestCase):
    def test_every_function_is_compiled_for_every_architecture(self):
        for family, names in listed_functions().items():
            compiled = compiled_functions(family)
            expected = {(name, arch) for name in names for arch in ARCHITECTURES}
            self.assertEqual(set(compiled), expected, family)

    def test_nothing_spills_and_registers_leave_room(self):
        for family in listed_functions():
            for (name, arch), (registers, spilled) in compiled_functions(family).items():
                with self.subTest(name=name, arch=arch):
                    self.assertLessEqual(spilled, MAY_SPILL_BYTES.get(name, 0))
                    self.assertLessEqual(registers, MOST_REGISTERS)

    def test_ptx_for_newer_devices_goes_with_it(self):
        for family in listed_functions():
            image = (BUILT / f"{family}.fatbin").read_bytes()
            # A fat binary has an entry for each architecture and one of PTX.
            self.assertTrue(image.startswith(bytes.fromhex("50ed55ba")), family)
            self.assertGreater(len(image), 1000, family)

    def test_matrix_instructions_are_in_the_machine_code(self):
        if not (shutil.which("cuobjdump") and shutil.which("nvdisasm")):
            self.skipTest("cuobjdump and nvdisasm are not installed")
        image = str(BUILT / "gemm.fatbin")
        for arch in ARCHITECTURES:
            command = ["cuobjdump", "-sass", "-arch", f"sm_{arch}", image]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for part in text.split("Function : ")[1:]:
                name = part.split()[0].removesuffix("_tb")
                for instruction in INSTRUCTIONS.get(name, []):
                    self.assertIn(instruction, part, f"{name} for sm_{arch}")


if __name__ == "__main__":
    if os.environ["ERGO_CUDA_BUILT"] != "ON":
        print("skipped: built without nvcc")
        sys.exit(77)
    unittest.main()
