"""Transformers and perceptrons as PyTorch's exporter writes them, with seeded random weights.

make_models(folder) writes FOLDER/NAME/model.onnx and, beside it, inputs in test_data_set_0: tokens
cannot be drawn like other integers, nor masks. What is there already is not made again. The only
package needed is `onnx`.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
SEED = 1
LENGTH = 128
VOCABULARY, POSITIONS = 30522, 512


class Builder:
    """Nodes and weights of a graph, named in the order in which they come."""

    def __init__(self):
        self.random = np.random.default_rng(SEED)
        self.nodes, self.weights = [], []

    def op(self, kind, *inputs, **attributes):
        name = f"/{kind}_{len(self.nodes)}"
        output = f"{name}_output_0"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name, **attributes))
        return output

    def constant(self, array):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def floats(self, *shape, scale):
        return self.constant(self.random.standard_normal(shape, np.float32) * np.float32(scale))

    def number(self, value):
        return self.constant(np.float32(value))

    def linear(self, x, width, units):
        """MatMul and Add, as nn.Linear on more than two dimensions is exported."""
        product = self.op("MatMul", x, self.floats(width, units, scale=width**-0.5))
        return self.op("Add", self.floats(units, scale=0.02), product)

    def layer_norm(self, x, width):
        scale = self.constant(1 + 0.1 * self.random.standard_normal(width, np.float32))
        bias = self.floats(width, scale=0.02)
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.number(2**0.5)))
        product = self.op("Mul", x, self.op("Add", erf, self.number(1)))
        return self.op("Mul", product, self.number(0.5))


def attention(graph, x, mask, width, heads):
    """softmax(Q K^T / sqrt(d) + mask) V and the projection behind it."""

    def heads_of(perm):
        shape = graph.constant(np.array([0, 0, heads, width // heads], np.int64))
        apart = graph.op("Reshape", graph.linear(x, width, width), shape)
        return graph.op("Transpose", apart, perm=perm)

    query, value = heads_of([0, 2, 1, 3]), heads_of([0, 2, 1, 3])
    scores = graph.op("MatMul", query, heads_of([0, 2, 3, 1]))
    scores = graph.op("Div", scores, graph.number((width / heads) ** 0.5))
    weights = graph.op("Softmax", graph.op("Add", scores, mask), axis=-1)
    result = graph.op("Transpose", graph.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    joined = graph.op("Reshape", result, graph.constant(np.array([0, 0, width], np.int64)))
    return graph.linear(joined, width, width)


def bert(width, layers, heads):
    """A BERT encoder (Devlin et al., 2018); MiniLM (Wang et al., 2020) is one of smaller sizes."""
    graph = Builder()
    ids, mask = (helper.make_tensor_value_info(name, TensorProto.INT64, [1, LENGTH])
                 for name in ("input_ids", "attention_mask"))  # fmt: skip
    words = graph.op("Gather", graph.floats(VOCABULARY, width, scale=0.5), "input_ids")
    positions = graph.floats(POSITIONS, width, scale=0.5)
    places = graph.constant(np.arange(LENGTH, dtype=np.int64)[None])
    types = graph.floats(1, 1, width, scale=0.5)
    x = graph.op("Add", words, types)
    x = graph.op("Add", x, graph.op("Gather", positions, places))
    x = graph.layer_norm(x, width)
    hidden = graph.op("Unsqueeze", "attention_mask", graph.constant(np.array([1, 2], np.int64)))
    hidden = graph.op("Sub", graph.number(1), graph.op("Cast", hidden, to=TensorProto.FLOAT))
    hidden = graph.op("Mul", hidden, graph.number(np.finfo(np.float32).min))
    for _ in range(layers):
        x = graph.layer_norm(graph.op("Add", attention(graph, x, hidden, width, heads), x), width)
        wide = graph.gelu(graph.linear(x, width, 4 * width))
        x = graph.layer_norm(graph.op("Add", graph.linear(wide, 4 * width, width), x), width)
    tokens = graph.random.integers(0, VOCABULARY, (1, LENGTH))
    return graph, [ids, mask], [tokens, np.ones((1, LENGTH), np.int64)], x, [1, LENGTH, width]


def mlp(batch):
    """784-512-512-10 with ReLU, as nn.Linear on two dimensions is exported: Gemm, transB."""
    graph = Builder()
    widths = [784, 512, 512, 10]
    x = "x"
    for width, units in zip(widths, widths[1:]):
        if x != "x":
            x = graph.op("Relu", x)
        weight = graph.floats(units, width, scale=width**-0.5)
        x = graph.op("Gemm", x, weight, graph.floats(units, scale=0.02), transB=1)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, widths[0]])
    array = graph.random.standard_normal((batch, widths[0]), np.float32)
    return graph, [given], [array], x, [batch, widths[-1]]


MODELS = {
    "mlp-1": lambda: mlp(1),
    "mlp-32": lambda: mlp(32),
    "minilm-l6": lambda: bert(width=384, layers=6, heads=12),
    "bert-base": lambda: bert(width=768, layers=12, heads=12),
}


def write_model(folder, made):
    graph, ports, arrays, result, shape = made
    output = helper.make_tensor_value_info("result", TensorProto.FLOAT, shape)
    assert graph.nodes[-1].output[0] == result
    graph.nodes[-1].output[0] = "result"
    model = helper.make_model(
        helper.make_graph(graph.nodes, folder.name, ports, [output], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    inputs = folder / "test_data_set_0"
    inputs.mkdir(parents=True, exist_ok=True)
    for i, (port, array) in enumerate(zip(ports, arrays)):
        onnx.save_tensor(numpy_helper.from_array(array, port.name), inputs / f"input_{i}.pb")
    # Last and under another name: half a model is never taken for a whole one.
    scratch = folder / "model.onnx.part"
    onnx.save(model, scratch)
    scratch.rename(folder / "model.onnx")


def make_models(folder):
    """Writes those of MODELS that the folder has not."""
    for name, make in MODELS.items():
        if not (folder / name / "model.onnx").exists():
            write_model(pathlib.Path(folder) / name, make())
