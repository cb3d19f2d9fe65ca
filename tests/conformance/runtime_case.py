"""Cases of one node with the answers of ONNX Runtime, in the layout of the ONNX backend tests:
CASE/{model.onnx,test_data_set_0/{input,output}_K.pb}. Random numbers have fixed seeds, one a case.
"""

import argparse
import pathlib
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

F32 = np.float32


class Case:
    """One node, as a model: operands are given by name, None is absent; those in `weights` are
    initializers, the others inputs."""

    def __init__(self, name, op, domain="com.microsoft", opset=21):
        self.name = f"test_{name}"
        self.op = op
        self.domain = domain
        self.opset = opset
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.operands = []
        self.attributes = {}

    def floats(self, *shape, low=-1.0, high=1.0, dtype=F32):
        return self.random.uniform(low, high, shape).astype(dtype)

    def ints(self, low, high, *shape, dtype=np.int32):
        return self.random.integers(low, high, shape).astype(dtype)

    def bools(self, *shape):
        return self.random.integers(0, 2, shape).astype(bool)

    def take(self, *operands, weights=(), outputs=1, **attributes):
        self.operands = operands
        self.weights = set(weights)
        self.outputs = ["y"] + [f"y{i}" for i in range(1, outputs)]
        self.attributes = {key: value for key, value in attributes.items() if value is not None}
        return self

    def write(self, out):
        names = [f"x{i}" if value is not None else "" for i, value in enumerate(self.operands)]
        while names and not names[-1]:
            names.pop()
        node = helper.make_node(
            self.op, names, self.outputs, "node", domain=self.domain, **self.attributes
        )
        given = {name: value for name, value in zip(names, self.operands) if name}
        fixed = {name for i, name in enumerate(names) if name and i in self.weights}
        infos = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in given.items()
            if name not in fixed
        ]
        results = [onnx.ValueInfoProto(name=name) for name in self.outputs]
        tensors = [numpy_helper.from_array(given[name], name) for name in sorted(fixed)]
        graph = helper.make_graph([node], self.name, infos, results, tensors)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        inputs = {info.name: given[info.name] for info in infos}
        answers = session.run(None, inputs)
        # Types that only ONNX Runtime knows to infer.
        for result, answer in zip(model.graph.output, answers):
            result.CopyFrom(
                helper.make_tensor_value_info(
                    result.name, helper.np_dtype_to_tensor_dtype(answer.dtype), answer.shape
                )
            )
        data = out / self.name / "test_data_set_0"
        data.mkdir(parents=True)
        (out / self.name / "model.onnx").write_bytes(model.SerializeToString())
        for i, info in enumerate(infos):
            write_tensor(inputs[info.name], info.name, data / f"input_{i}.pb")
        for i, answer in enumerate(answers):
            write_tensor(answer, self.outputs[i], data / f"output_{i}.pb")


def write_tensor(value, name, path):
    path.write_bytes(numpy_helper.from_array(value, name).SerializeToString())


def write_families(description, families):
    """The main program of a script: writes what the families yield into the folder that it is
    given."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", type=pathlib.Path, help="folder to write the cases into")
    out = parser.parse_args().out
    written = 0
    for family in families:
        for case in family():
            try:
                case.write(out)
            except Exception as error:
                raise RuntimeError(case.name) from error
            written += 1
    print(f"onnxruntime {onnxruntime.__version__}: {written} cases in {out}")
