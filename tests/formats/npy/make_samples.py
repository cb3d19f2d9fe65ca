#!/usr/bin/env python3
"""Writes numpy_samples.inc beside itself: .npy files as NumPy makes them, for npy_test.cc."""

import io
import pathlib

import numpy as np
from numpy.lib import format as npy_format

RECORD = np.zeros(2, dtype=[("a", "<i4"), ("b", "<f4")])
SAMPLES = [
    ("F32Matrix", np.arange(6, dtype="<f4").reshape(2, 3), (1, 0)),
    ("F64Fortran", np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)), (1, 0)),
    ("BoolVector", np.array([True, False, True]), (1, 0)),
    (
        "BoolFortran",
        np.asfortranarray(np.array([[True, False, True], [False, False, True]])),
        (1, 0),
    ),
    ("I64Scalar", np.array(-7, dtype="<i8"), (1, 0)),
    ("U16Empty", np.zeros((0, 3), dtype="<u2"), (1, 0)),
    ("F16Version2", np.array([0.5, -2], dtype="<f2"), (2, 0)),
    ("I8Version3", np.array([[1], [-1]], dtype="i1"), (3, 0)),
    ("BigEndian", np.arange(2, dtype=">f4"), (1, 0)),
    ("Text", np.array(["a", "bc"]), (1, 0)),
    ("Record", RECORD, (1, 0)),
    ("Complex", np.zeros(1, dtype="<c8"), (1, 0)),
    ("Void", np.zeros(2, dtype="V2"), (1, 0)),
]

lines = ["// Written by make_samples.py with NumPy %s." % np.__version__]
for name, array, version in SAMPLES:
    stream = io.BytesIO()
    npy_format.write_array(stream, array, version=version)
    data = stream.getvalue()
    lines.append("constexpr unsigned char k%s[] = {" % name)
    for i in range(0, len(data), 16):
        lines.append("    " + ", ".join("0x%02x" % b for b in data[i : i + 16]) + ",")
    lines.append("};")
pathlib.Path(__file__).with_name("numpy_samples.inc").write_text("\n".join(lines) + "\n")
