#!/usr/bin/env python3
"""Trains the bundled digit classifier and writes everything in this folder that is data.

    pip install -r tools/digits/requirements.txt
    python tools/digits/train.py [--output-dir DIR]

Data: scikit-learn's load_digits (1,797 images of 8x8 pixels from the UCI repository); a fifth,
chosen with a fixed seed and the same share of every digit, is held out and never trained on. Takes
about a minute on one core. Prints the accuracy on the held-out images.
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from network import Adam, BatchNorm, Conv3x3, Dense, MaxPool2x2, Relu, softmax

SEED = 8
EPOCHS = 40
BATCH = 32
RATE = 2e-3
LARGEST_PIXEL = 16.0
TEST_BATCH = 16  # images of test_data_set_0


def load():
    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, None]
    labels = digits.target.astype(np.uint8)
    return train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=SEED)


def shifted(rng, images):
    """Each image moved by up to one pixel, the rim filled with background."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(images)))
    return np.stack([p[:, r : r + 8, c : c + 8] for p, r, c in zip(padded, rows, columns)])


def forward(layers, images, training=False):
    x = images.astype(np.float32) * np.float32(1 / LARGEST_PIXEL)
    for layer in layers:
        x = layer.forward(x, training)
    return softmax(x)


def train(images, labels):
    rng = np.random.default_rng(SEED)
    layers = [
        *[Conv3x3(rng, 1, 16), BatchNorm(16), Relu()],
        *[Conv3x3(rng, 16, 32), BatchNorm(32), Relu(), MaxPool2x2()],
        *[Conv3x3(rng, 32, 64), BatchNorm(64), Relu(), MaxPool2x2()],
        Dense(rng, 64 * 2 * 2, 10),
    ]
    optimizer = Adam([p for layer in layers for p in layer.parameters()], weight_decay=1e-2)
    one_hot = np.eye(10, dtype=np.float32)[labels]
    steps = -(-len(images) // BATCH)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        loss = 0.0
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            probabilities = forward(layers, shifted(rng, images[rows]), training=True)
            loss -= np.log((probabilities * one_hot[rows]).sum(1) + 1e-12).sum()
            grad = (probabilities - one_hot[rows]) / np.float32(len(rows))
            for layer in reversed(layers):
                grad = layer.backward(grad)
            progress = (epoch + step / steps) / EPOCHS
            optimizer.step(RATE * 0.5 * (1 + np.cos(np.pi * progress)))
        print(f"\repoch {epoch + 1:2}/{EPOCHS}  loss {loss / len(images):.4f}", end="", flush=True)
    print()
    return layers


def to_onnx(layers):
    """image [batch, 1, 8, 8] float32 in 0..16 -> probabilities [batch, 10]."""
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(operator, inputs, name, **attributes):
        nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    x = add("Mul", ["image", constant("scale", 1 / LARGEST_PIXEL)], "scaled")
    for index, layer in enumerate(layers):
        name = f"{type(layer).__name__.lower()}_{index}"
        if isinstance(layer, Conv3x3):
            weight = constant(f"{name}.weight", layer.weight)
            x = add("Conv", [x, weight], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif isinstance(layer, BatchNorm):
            values = dict(g=layer.gamma, b=layer.beta, mean=layer.mean, var=layer.variance)
            inputs = [constant(f"{name}.{key}", value) for key, value in values.items()]
            x = add("BatchNormalization", [x, *inputs], name, epsilon=layer.EPSILON)
        elif isinstance(layer, Relu):
            x = add("Relu", [x], name)
        elif isinstance(layer, MaxPool2x2):
            x = add("MaxPool", [x], name, kernel_shape=[2, 2], strides=[2, 2])
        elif isinstance(layer, Dense):
            x = add("Flatten", [x], "flat")
            inputs = [
                constant(f"{name}.weight", layer.weight),
                constant(f"{name}.bias", layer.bias),
            ]
            x = add("Gemm", [x, *inputs], "logits", transB=1)
    add("Softmax", [x], "probabilities", axis=1)

    port = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "digits",
        [port("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [port("probabilities", TensorProto.FLOAT, ["batch", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "ergo tools/digits/train.py"
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--output-dir", type=pathlib.Path, default=folder)
    output = parser.parse_args().output_dir

    train_images, heldout_images, train_labels, heldout_labels = load()
    layers = train(train_images, train_labels)
    probabilities = forward(layers, heldout_images)
    right = int((probabilities.argmax(1) == heldout_labels).sum())
    print(f"held-out accuracy: {right}/{len(heldout_labels)} = {right / len(heldout_labels):.2%}")

    case = output / "test_data_set_0"
    case.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(layers), output / "digits.onnx")
    np.save(output / "heldout_images.npy", heldout_images)
    np.save(output / "heldout_labels.npy", heldout_labels)
    first = heldout_images[:TEST_BATCH].astype(np.float32)
    np.save(output / "image.npy", first[:1])
    for name, stem, array in [
        ("image", "input_0", first),
        ("probabilities", "output_0", probabilities[:TEST_BATCH].astype(np.float32)),
    ]:
        tensor = numpy_helper.from_array(array, name)
        (case / f"{stem}.pb").write_bytes(tensor.SerializeToString())


if __name__ == "__main__":
    main()
