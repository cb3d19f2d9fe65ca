#!/usr/bin/env python3
"""Asks a running server about the held-out digits: `tools/digits/ask.py tcp://127.0.0.1:7077`.

Shows a few images beside the answers, then sends all of them, and prints the accuracy, the latency
that this client saw and the joules that the server told, with their source.
"""

import pathlib
import sys

import numpy as np

DIGITS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(DIGITS.parent / "python"))
import ergo  # noqa: E402

SHOWN = 4
IN_FLIGHT = 16
SHADES = " .:-=+*#@"


def picture(image):
    """Eight lines, two characters a pixel."""
    levels = (image * (len(SHADES) - 1) // 16).astype(int)
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def show(client, images):
    results = [client.infer("digits", {"image": image[None]}) for image in images]
    rows = zip(*(picture(image[0]) for image in images))
    print("\n".join("   ".join(row).rstrip() for row in rows))
    answers = []
    for result in results:
        probabilities = result["probabilities"][0]
        answers.append(f"{probabilities.argmax()} ({probabilities.max():.1%})".center(16))
    print("   ".join(answers).rstrip())


def main():
    images = np.load(DIGITS / "heldout_images.npy").astype(np.float32)
    labels = np.load(DIGITS / "heldout_labels.npy")
    with ergo.connect(sys.argv[1], max_in_flight=IN_FLIGHT) as client:
        show(client, images[:SHOWN])
        results = []
        for begin in range(0, len(images), IN_FLIGHT):
            chunk = images[begin : begin + IN_FLIGHT]
            futures = [client.submit("digits", {"image": image[None]}) for image in chunk]
            results += [future.result(60) for future in futures]
        alone = [client.infer("digits", {"image": image[None]}) for image in images]
    answers = [result["probabilities"].argmax() for result in results]
    right = int((answers == labels).sum())
    print(f"accuracy on {len(labels)} held-out images: {right / len(labels):.2%} ({right} right)")
    p50, p99 = np.percentile([result.round_trip_us for result in alone], [50, 99])
    print(f"latency seen by this Python client, one at a time: p50 {p50:.0f} us, p99 {p99:.0f} us")
    joules = [result.energy.joules for result in results]
    source = results[-1].energy.source.name.lower()
    if None in joules:
        print("energy: unavailable, this server has no meter")
    else:
        print(f"energy a request: {np.mean(joules) * 1e6:.3g} uJ ({source})")


if __name__ == "__main__":
    main()
