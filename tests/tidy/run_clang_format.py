#!/usr/bin/env python3
"""Every C++ file is as clang-format 14 leaves it. `--fix` makes it so."""

import shutil
import subprocess
import sys

import rules
from tidy import ROOT, list_files


def main():
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if program is None:
        print("clang-format is not installed: run tools/install-dependencies")
        return 1
    files = [path for path in list_files(ROOT) if path.endswith(rules.FORMATTED)]
    mode = ["-i"] if "--fix" in sys.argv[1:] else ["--dry-run", "-Werror"]
    status = subprocess.run([program, *mode, *files], cwd=ROOT, check=False).returncode
    print(
        f"{len(files)} files" + (", some are not formatted: run this with --fix" if status else "")
    )
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
