#!/usr/bin/env python3
"""Writes norm_oracle.h: what onnxruntime answers to small random inputs of the norm operators.

Needs onnx, onnxruntime and numpy; the tests need only the header. Run it from this folder:
    python3 make_norm_oracle.py > norm_oracle.h
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

random = np.random.default_rng(20240614)
arrays = {}


def floats(*shape, low=-2.0, high=2.0):
    return random.uniform(low, high, shape).astype(np.float32)


def case(name, op, opset, inputs, outputs=1, **attributes):
    names = [f"i{k}" for k in range(len(inputs))]
    results = [f"o{k}" for k in range(outputs)]
    node = helper.make_node(op, names, results, **attributes)
    graph = helper.make_graph(
        [node],
        name,
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape)
            for n, v in zip(names, inputs)
        ],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    answers = session.run(None, dict(zip(names, inputs)))
    for n, v in zip(names, inputs):
        arrays[f"{name}/{n}"] = v
    for n, v in zip(results, answers):
        arrays[f"{name}/{n}"] = v


x = floats(2, 3, 4)
case("softmax", "Softmax", 13, [x], axis=1)
case("log_softmax", "LogSoftmax", 13, [x], axis=1)
case("hardmax", "Hardmax", 13, [np.round(x)], axis=1)
channels = [floats(3), floats(3), floats(3), floats(3, low=0.1)]
case("batch_norm", "BatchNormalization", 15, [x] + channels, epsilon=1e-2)
case("instance_norm", "InstanceNormalization", 7, [x] + channels[:2], epsilon=1e-2)
case(
    "layer_norm",
    "LayerNormalization",
    17,
    [x, floats(3, 4), floats(3, 4)],
    outputs=3,
    axis=1,
    epsilon=1e-2,
)
case("lp1", "LpNormalization", 7, [x], axis=1, p=1)
case("lp2", "LpNormalization", 7, [x], axis=1, p=2)
case("lrn", "LRN", 13, [floats(1, 7, 2, 1)], size=3, alpha=0.3, beta=0.6, bias=1.5)
case(
    "group_norm",
    "GroupNormalization",
    21,
    [floats(2, 4, 3), floats(4), floats(4)],
    num_groups=2,
    epsilon=1e-2,
)

print("// Made by make_norm_oracle.py: what onnxruntime", onnxruntime.__version__, "answers.")
print("#ifndef ERGO_TESTS_KERNELS_NORM_NORM_ORACLE_H_")
print("#define ERGO_TESTS_KERNELS_NORM_NORM_ORACLE_H_\n")
print("#include <map>\n#include <string_view>\n#include <vector>\n")
print("// clang-format off")
print("namespace ergo {\n")
print("inline const std::map<std::string_view, std::vector<float>> kNormOracle = {")
for name, value in arrays.items():
    print(f'    {{"{name}",')
    numbers = [
        f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0f"
        for v in value.flatten()
    ]
    for i in range(0, len(numbers), 6):
        print(
            "     "
            + ("{" if i == 0 else " ")
            + ", ".join(numbers[i : i + 6])
            + ("}}," if i + 6 >= len(numbers) else ",")
        )
print("};\n")
print("}  // namespace ergo\n// clang-format on\n")
print("#endif  // ERGO_TESTS_KERNELS_NORM_NORM_ORACLE_H_")
