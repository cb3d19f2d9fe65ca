#!/usr/bin/env python3
"""Trains a small residual network on the digits of tools/digits and writes model.onnx beside this
file: depthwise and pointwise convolutions, residuals, global average pooling, which the bundled
model has not. For tests/models/test_quantized.py.

    pip install -r tools/digits/requirements.txt
    python tests/models/residual_digits/train.py

The same held-out images as tools/digits, never trained on. Takes about a minute on one core.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[2] / "tools" / "digits"))
import train as digits  # noqa: E402
from network import Adam, BatchNorm, Conv3x3, Dense, MaxPool2x2, Relu  # noqa: E402

SEED = 21
EPOCHS = 30
BATCH = 32
RATE = 4e-3


class Pointwise:
    def __init__(self, rng, channels_in, channels_out):
        scale = np.sqrt(2.0 / channels_in)
        shape = (channels_out, channels_in)
        self.weight = (rng.standard_normal(shape) * scale).astype(np.float32)
        self.grad = np.zeros_like(self.weight)

    def parameters(self):
        return [(self.weight, self.grad)]

    def forward(self, x, training):
        self.x = x
        return np.einsum("oc,nchw->nohw", self.weight, x, optimize=True)

    def backward(self, grad):
        self.grad[...] = np.einsum("nohw,nchw->oc", grad, self.x, optimize=True)
        return np.einsum("oc,nohw->nchw", self.weight, grad, optimize=True)


class Depthwise3x3:
    def __init__(self, rng, channels):
        self.weight = (rng.standard_normal((channels, 3, 3)) * 0.4).astype(np.float32)
        self.grad = np.zeros_like(self.weight)

    def parameters(self):
        return [(self.weight, self.grad)]

    def forward(self, x, training):
        _, _, h, w = x.shape
        self.padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                out += self.padded[:, :, i : i + h, j : j + w] * self.weight[:, i, j, None, None]
        return out

    def backward(self, grad):
        _, _, h, w = grad.shape
        out = np.zeros_like(self.padded)
        for i in range(3):
            for j in range(3):
                part = (slice(None), slice(None), slice(i, i + h), slice(j, j + w))
                self.grad[:, i, j] = (grad * self.padded[part]).sum((0, 2, 3))
                out[part] += grad * self.weight[:, i, j, None, None]
        return out[:, :, 1:-1, 1:-1]


class Residual:
    """x + layers(x)."""

    def __init__(self, *layers):
        self.layers = layers

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]

    def forward(self, x, training):
        y = x
        for layer in self.layers:
            y = layer.forward(y, training)
        return x + y

    def backward(self, grad):
        through = grad
        for layer in reversed(self.layers):
            through = layer.backward(through)
        return grad + through


class GlobalAverage:
    def parameters(self):
        return []

    def forward(self, x, training):
        self.shape = x.shape
        return x.mean((2, 3), keepdims=True)

    def backward(self, grad):
        return np.broadcast_to(grad / np.float32(self.shape[2] * self.shape[3]), self.shape)


def make_layers(rng):
    def block(channels):
        inner = [Depthwise3x3(rng, channels), BatchNorm(channels), Relu()]
        return [Residual(*inner, Pointwise(rng, channels, channels), BatchNorm(channels)), Relu()]

    return [
        *[Conv3x3(rng, 1, 16), BatchNorm(16), Relu()],
        *[*block(16), MaxPool2x2()],
        *[Pointwise(rng, 16, 40), BatchNorm(40), Relu()],
        *[*block(40), *block(40)],
        *[GlobalAverage(), Dense(rng, 40, 10)],
    ]


def train(layers, images, labels):
    rng = np.random.default_rng(SEED)
    optimizer = Adam([p for layer in layers for p in layer.parameters()], weight_decay=1e-2)
    one_hot = np.eye(10, dtype=np.float32)[labels]
    steps = -(-len(images) // BATCH)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            shifted = digits.shifted(rng, images[rows])
            probabilities = digits.forward(layers, shifted, training=True)
            grad = (probabilities - one_hot[rows]) / np.float32(len(rows))
            for layer in reversed(layers):
                grad = layer.backward(grad)
            progress = (epoch + step / steps) / EPOCHS
            optimizer.step(RATE * 0.5 * (1 + np.cos(np.pi * progress)))


class Writer:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(self, operator, inputs, name=None, **attributes):
        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, weight, **attributes):
        return self.add("Conv", [x, self.constant(weight)], **attributes)

    def layer(self, x, layer):
        if isinstance(layer, Conv3x3):
            return self.conv(x, layer.weight, pads=[1, 1, 1, 1])
        if isinstance(layer, Pointwise):
            return self.conv(x, layer.weight[:, :, None, None])
        if isinstance(layer, Depthwise3x3):
            groups = len(layer.weight)
            return self.conv(x, layer.weight[:, None], pads=[1, 1, 1, 1], group=groups)
        if isinstance(layer, BatchNorm):
            values = [layer.gamma, layer.beta, layer.mean, layer.variance]
            inputs = [x, *map(self.constant, values)]
            return self.add("BatchNormalization", inputs, epsilon=layer.EPSILON)
        if isinstance(layer, Residual):
            y = x
            for inner in layer.layers:
                y = self.layer(y, inner)
            return self.add("Add", [x, y])
        if isinstance(layer, MaxPool2x2):
            return self.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
        if isinstance(layer, GlobalAverage):
            return self.add("GlobalAveragePool", [x])
        if isinstance(layer, Dense):
            flat = self.add("Flatten", [x])
            inputs = [flat, self.constant(layer.weight), self.constant(layer.bias)]
            return self.add("Gemm", inputs, name="logits", transB=1)
        return self.add("Relu", [x])


def to_onnx(layers):
    """image [batch, 1, 8, 8] float32 in 0..16 -> probabilities [batch, 10]."""
    writer = Writer()
    x = writer.add("Mul", ["image", writer.constant(1 / digits.LARGEST_PIXEL)])
    for layer in layers:
        x = writer.layer(x, layer)
    writer.add("Softmax", [x], name="probabilities", axis=1)
    port = helper.make_tensor_value_info
    graph = helper.make_graph(
        writer.nodes,
        "residual_digits",
        [port("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [port("probabilities", TensorProto.FLOAT, ["batch", 10])],
        writer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "ergo tests/models/residual_digits/train.py"
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    train_images, heldout_images, train_labels, heldout_labels = digits.load()
    layers = make_layers(np.random.default_rng(SEED))
    train(layers, train_images, train_labels)
    answers = digits.forward(layers, heldout_images).argmax(1)
    right = int((answers == heldout_labels).sum())
    print(f"held-out accuracy: {right}/{len(heldout_labels)} = {right / len(heldout_labels):.2%}")
    onnx.save(to_onnx(layers), FOLDER / "model.onnx")


if __name__ == "__main__":
    main()
