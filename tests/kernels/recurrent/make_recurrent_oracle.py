#!/usr/bin/env python3
"""Writes recurrent_oracle.h: what onnxruntime answers to small random RNN, GRU and LSTM nodes.

Needs onnx, onnxruntime and numpy; the tests need only the header. Run it from this folder:
    python3 make_recurrent_oracle.py > recurrent_oracle.h
"""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

random = np.random.default_rng(20240614)
arrays = {}
SEQ, BATCH, INPUT, HIDDEN = 3, 2, 3, 2
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def floats(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def case(name, op, lens=None, initial=False, bias=True, peepholes=False, **attributes):
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[op] * HIDDEN
    inputs = {"x": floats(SEQ, BATCH, INPUT) * 2, "w": floats(directions, rows, INPUT),
              "r": floats(directions, rows, HIDDEN)}
    inputs["b"] = floats(directions, 2 * rows) if bias else None
    inputs["lens"] = np.array(lens, np.int32) if lens is not None else None
    inputs["h"] = floats(directions, BATCH, HIDDEN) if initial else None
    if op == "LSTM":
        inputs["c"] = floats(directions, BATCH, HIDDEN) if initial else None
        inputs["p"] = floats(directions, 3 * HIDDEN) if peepholes else None
    outputs = ["y", "y_h", "y_c"] if op == "LSTM" else ["y", "y_h"]
    node = helper.make_node(op, [n if v is not None else "" for n, v in inputs.items()], outputs,
                            hidden_size=HIDDEN, **attributes)
    present = {n: v for n, v in inputs.items() if v is not None}
    graph = helper.make_graph(
        [node], name,
        [helper.make_tensor_value_info(
            n, TensorProto.INT32 if v.dtype == np.int32 else TensorProto.FLOAT, v.shape)
         for n, v in present.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    answers = session.run(None, present)
    for n, v in present.items():
        if n != "lens":
            arrays[f"{name}/{n}"] = v
    for n, v in zip(outputs, answers):
        arrays[f"{name}/{n}"] = v


case("lstm", "LSTM")
case("lstm_bare", "LSTM", bias=False, direction="reverse")
case("lstm_full", "LSTM", lens=[3, 1], initial=True, peepholes=True, direction="bidirectional",
     clip=0.6)
case("lstm_coupled", "LSTM", initial=True, peepholes=True, input_forget=1)
case("lstm_functions", "LSTM", activations=["HardSigmoid", "ScaledTanh", "Softsign"],
     activation_alpha=[0.3, 0.8], activation_beta=[0.4, 1.2])
case("gru", "GRU", initial=True)
case("gru_linear", "GRU", linear_before_reset=1, direction="bidirectional", lens=[2, 3],
     initial=True)
case("gru_clip", "GRU", clip=0.5, direction="reverse", lens=[1, 3])
case("rnn", "RNN", initial=True, direction="bidirectional", lens=[3, 2])
case("rnn_relu", "RNN", activations=["Relu"], bias=False)
case("rnn_leaky", "RNN", activations=["LeakyRelu"], activation_alpha=[0.2])

print("// Made by make_recurrent_oracle.py: what onnxruntime", onnxruntime.__version__, "answers.")
print("#ifndef ERGO_TESTS_KERNELS_RECURRENT_RECURRENT_ORACLE_H_")
print("#define ERGO_TESTS_KERNELS_RECURRENT_RECURRENT_ORACLE_H_\n")
print("#include <map>\n#include <string_view>\n#include <vector>\n")
print("// clang-format off")
print("namespace ergo {\n")
print("inline const std::map<std::string_view, std::vector<float>> kRecurrentOracle = {")
for name, value in arrays.items():
    print(f'    {{"{name}",')
    numbers = [f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0f"
               for v in value.flatten()]
    for i in range(0, len(numbers), 6):
        print("     " + ("{" if i == 0 else " ") + ", ".join(numbers[i:i + 6]) +
              ("}}," if i + 6 >= len(numbers) else ","))
print("};\n")
print("}  // namespace ergo\n// clang-format on\n")
print("#endif  // ERGO_TESTS_KERNELS_RECURRENT_RECURRENT_ORACLE_H_")
