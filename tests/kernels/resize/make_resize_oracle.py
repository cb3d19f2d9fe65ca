#!/usr/bin/env python3
"""Writes resize_oracle.h: small Resize cases with the answers of ONNX's own reference evaluator.

Needs numpy and onnx (pip). Run it in this folder after changing the cases; the header is committed,
so that the tests need neither.
"""
import itertools
import pathlib
import textwrap

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

MODES = {"nearest": "kNearest", "linear": "kLinear", "cubic": "kCubic"}
COORDINATES = {
    "half_pixel": "kHalfPixel",
    "half_pixel_symmetric": "kHalfPixelSymmetric",
    "pytorch_half_pixel": "kPytorchHalfPixel",
    "align_corners": "kAlignCorners",
    "asymmetric": "kAsymmetric",
    "tf_crop_and_resize": "kTfCropAndResize",
}
NEAREST = {
    "round_prefer_floor": "kRoundPreferFloor",
    "round_prefer_ceil": "kRoundPreferCeil",
    "floor": "kFloor",
    "ceil": "kCeil",
}


def numbers(values):
    """A braced list, broken into lines of at most 100 columns."""
    text = "{" + ", ".join("%.9g" % v for v in np.ravel(values)) + "}"
    return textwrap.fill(text, 92).replace("\n", "\n      ")


def case(rng, shape, scales, mode, coordinates, **attributes):
    x = rng.integers(-40, 40, shape).astype(np.float32) / 4
    inputs = [("x", x), ("roi", np.array([], np.float32)), ("scales", np.array(scales, np.float32))]
    if coordinates == "tf_crop_and_resize":
        roi = np.array([0.1, -0.2, 0.8, 0.9][: 2 * len(shape)], np.float32)
        inputs[1] = ("roi", roi)
    node = helper.make_node(
        "Resize", [name for name, _ in inputs], ["y"], mode=mode,
        coordinate_transformation_mode=coordinates, **attributes)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
         for name, value in inputs],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    (y,) = ReferenceEvaluator(model).run(None, dict(inputs))
    roi = inputs[1][1] if inputs[1][1].size else np.array([0, 0, 1, 1], np.float32)
    return (
        f"    {{ResizeMode::{MODES[mode]}, CoordinateMode::{COORDINATES[coordinates]},\n"
        f"     NearestMode::{NEAREST[attributes.get('nearest_mode', 'round_prefer_floor')]},\n"
        f"     {attributes.get('cubic_coeff_a', -0.75)},"
        f" {'true' if attributes.get('exclude_outside') else 'false'},"
        f" {'true' if attributes.get('antialias') else 'false'},"
        f" {attributes.get('extrapolation_value', 0.0)},\n"
        f"     {{{', '.join(map(str, x.shape))}}}, {{{', '.join(map(str, y.shape))}}},"
        f" {numbers(np.array(scales, np.float32))},\n     {numbers(roi)},\n"
        f"     {numbers(x)},\n     {numbers(y.astype(np.float32))}}},\n")


def main():
    rng = np.random.default_rng(7)
    cases = []
    for coordinates, nearest in itertools.product(COORDINATES, NEAREST):
        cases.append(case(rng, (3, 4), (2.5, 0.7), "nearest", coordinates, nearest_mode=nearest,
                          extrapolation_value=3.0))
    for coordinates in COORDINATES:
        for mode in ("linear", "cubic"):
            for scales in ((2.0, 1.6), (0.6, 3.0)):
                cases.append(case(rng, (4, 3), scales, mode, coordinates, extrapolation_value=9.0))
    for mode in ("linear", "cubic"):
        for outside in (0, 1):
            cases.append(case(rng, (5, 6), (0.5, 0.4), mode, "half_pixel", antialias=1,
                              exclude_outside=outside))
            cases.append(case(rng, (5, 2), (0.7, 2.5), mode, "align_corners", antialias=1,
                              exclude_outside=outside))
        cases.append(case(rng, (4, 4), (0.8, 1.5), mode, "half_pixel", exclude_outside=1,
                          cubic_coeff_a=-0.5))
    text = (
        "// Made by make_resize_oracle.py: answers of ONNX's reference evaluator "
        f"(onnx {onnx.__version__}).\n"
        "#ifndef ERGO_TESTS_KERNELS_RESIZE_RESIZE_ORACLE_H_\n"
        "#define ERGO_TESTS_KERNELS_RESIZE_RESIZE_ORACLE_H_\n\n"
        "#include <vector>\n\n"
        "#include \"kernels/resize/resize.h\"\n\n"
        "namespace ergo {\n\n"
        "struct ResizeCase {\n"
        "  ResizeMode mode;\n"
        "  CoordinateMode coordinates;\n"
        "  NearestMode nearest;\n"
        "  double cubic_a;\n"
        "  bool exclude_outside, antialias;\n"
        "  double extrapolation_value;\n"
        "  Shape input, output;\n"
        "  std::vector<double> scales, roi;\n"
        "  std::vector<float> x, y;\n"
        "};\n\n"
        "// clang-format off\n"
        "inline const std::vector<ResizeCase> kResizeOracle = {\n" + "".join(cases) + "};\n"
        "// clang-format on\n\n"
        "}  // namespace ergo\n\n"
        "#endif  // ERGO_TESTS_KERNELS_RESIZE_RESIZE_ORACLE_H_\n")
    pathlib.Path(__file__).with_name("resize_oracle.h").write_text(text)


if __name__ == "__main__":
    main()
