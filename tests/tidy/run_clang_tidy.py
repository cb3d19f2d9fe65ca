#!/usr/bin/env python3
"""clang-tidy (checks: .clang-tidy) over every source that BUILD_DIR compiles, on all processors.

    run_clang_tidy.py BUILD_DIR

What was found clean is remembered in BUILD_DIR by a hash of the source, of all headers of ours that
it includes, of the command and of the configuration, so that only what changed is looked at again.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import cpp_source
from tidy import ROOT, list_files, read_exemptions, read_tree, EXEMPTIONS

# The commands are g++'s: clang may warn of other things, and does not know all of its flags.
GCC_FLAGS = ["--extra-arg=-Wno-error", "--extra-arg=-Wno-unknown-warning-option"]


def closure(path, tree, known):
    """The files of ours that `path` includes, itself too, however deep."""
    reached, open_paths = set(), [path]
    while open_paths:
        current = open_paths.pop()
        if current in reached or current not in tree:
            continue
        reached.add(current)
        if current not in known:
            known[current] = cpp_source.includes(tree[current])
        open_paths += known[current]
    return sorted(reached)


def main():
    program = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if program is None:
        print("clang-tidy is not installed: run tools/install-dependencies")
        return 1
    build = pathlib.Path(sys.argv[1]).resolve()
    tree = read_tree(ROOT)
    exempt = {path for path, rule in read_exemptions(tree[EXEMPTIONS])[0] if rule == "clang-tidy"}
    ours = set(list_files(ROOT)) - exempt
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
        if path in ours:
            commands[path] = entry["command"]
    version = subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE).stdout
    remembered = build / "clang_tidy_clean"
    remembered.mkdir(exist_ok=True)
    known = {}

    def look_at(path):
        """None where it is clean, else what clang-tidy says."""
        digest = hashlib.sha256(version + tree[".clang-tidy"].encode() + commands[path].encode())
        for file in closure(path, tree, known):
            digest.update(f"{file}\0{tree[file]}\0".encode())
        mark = remembered / digest.hexdigest()
        if mark.exists():
            return None
        done = subprocess.run(
            [program, "-p", str(build), "--quiet", *GCC_FLAGS, str(ROOT / path)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode == 0:
            mark.touch()
            return None
        return done.stdout + done.stderr

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for output in pool.map(look_at, sorted(commands)):
            if output is not None:
                failed += 1
                print(output)
    print(f"{len(commands)} sources, {failed} with findings, {len(exempt)} exempt")
    return 1 if failed or not commands else 0


if __name__ == "__main__":
    sys.exit(main())
