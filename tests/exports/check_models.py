#!/usr/bin/env python3
"""What Ergo makes of the models that export_models.py wrote, as one table: whether each imports, as
.onnx and converted to .ergo, the largest error against PyTorch's outputs, and how long that took.

    tests/exports/check_models.py build/exports --ergo build/release/ergo

Ends with 1 when any model fails. An output matches within rtol 1e-3 and atol 5e-5: fifty layers add
up rounding, in PyTorch as well as here, which shows in elements close to zero."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time


def run(*command):
    begin = time.monotonic()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.strip(), time.monotonic() - begin


def reason(complaint):
    """The last lines of a complaint, on one."""
    return " ".join(complaint.split("\n")[-3:])[:300]


def verify(ergo, model, data, tolerance):
    """(matches, largest error, seconds, complaint)."""
    code, said, complaint, seconds = run(
        ergo, "verify", model, "--data", data, "--json", *tolerance
    )
    try:
        report = json.loads(said)
    except ValueError:
        return False, None, seconds, reason(complaint) or f"exit status {code}"
    worst = max(comparison["max_abs"] for comparison in report["comparisons"])
    wrong = [each for each in report["comparisons"] if not each["matches"]]
    complaints = [
        f"{each['output']}: {each['problem'] or str(each['mismatches']) + ' elements differ'}"
        for each in wrong
    ]
    return not wrong, worst, seconds, "; ".join(complaints)


def check(ergo, folder, scratch, tolerance):
    """One line of the table, and whether all is well."""
    onnx = folder / "model.onnx"
    size = f"{onnx.stat().st_size / 1e6:.1f}"
    good, worst, onnx_seconds, complaint = verify(ergo, onnx, folder, tolerance)
    converted = scratch / "model.ergo"
    code, _, said, convert_seconds = run(ergo, "convert", onnx, "-o", converted)
    if code != 0:
        return [folder.name, size, "no", "", "", "", reason(said)], False
    again, worst_ergo, ergo_seconds, complaint_ergo = verify(ergo, converted, folder, tolerance)
    converted.unlink()
    errors = [error for error in (worst, worst_ergo) if error is not None]
    cells = [
        *[folder.name, size, "yes" if errors else "no", f"{max(errors):.1e}" if errors else ""],
        *[f"{convert_seconds:.1f}", f"{ergo_seconds:.1f}"],
        "" if good and again else complaint or complaint_ergo,
    ]
    return cells, good and again


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--ergo", type=pathlib.Path, default="build/release/ergo")
    parser.add_argument("--rtol", default="1e-3")
    parser.add_argument("--atol", default="5e-5")
    arguments = parser.parse_args()
    tolerance = ["--rtol", arguments.rtol, "--atol", arguments.atol]
    heads = ["model", "MB", "imports", "max error", "convert s", "verify s", "complaint"]
    row = "{:40} {:>7} {:>8} {:>10} {:>10} {:>9}  {}"
    print(row.format(*heads))
    failures = 0
    folders = sorted(path.parent for path in arguments.folder.glob("[!.]*/model.onnx"))
    with tempfile.TemporaryDirectory(prefix="ergo-exports-") as scratch:
        for folder in folders:
            cells, good = check(arguments.ergo, folder, pathlib.Path(scratch), tolerance)
            failures += not good
            print(row.format(*cells), flush=True)
    print(f"{len(folders) - failures} of {len(folders)} models match PyTorch")
    return 1 if failures or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
