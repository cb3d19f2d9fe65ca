"""Writes cases of ai.onnx's operators in the forms that older opsets gave them:
make_version_cases.py OUT
"""

import numpy as np

from runtime_case import Case, write_families


def ints(*values):
    return np.array(values, np.int64)


def form(op, opset, name=""):
    return Case(f"{op.lower()}_opset{opset}{'_' if name else ''}{name}", op, "", opset)


def resized():
    for mode in ("nearest", "linear"):
        case = form("Upsample", 7, mode)
        yield case.take(case.floats(1, 2, 3, 4), mode=mode, scales=[1.0, 1.0, 2.0, 3.0])
        case = form("Upsample", 9, mode)
        scales = np.array([1, 1, 3, 2], np.float32)
        yield case.take(case.floats(1, 2, 3, 4), scales, weights=[1], mode=mode)
        for name, factors in [("up", [1, 1, 2.5, 2]), ("down", [1, 1, 0.6, 0.5])]:
            case = form("Resize", 10, f"{mode}_{name}")
            scales = np.array(factors, np.float32)
            yield case.take(case.floats(1, 2, 5, 4), scales, weights=[1], mode=mode)
    coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    for opset in (11, 13):
        for transformation in coordinates:
            for mode in ("nearest", "linear", "cubic"):
                case = form("Resize", opset, f"{mode}_{transformation}")
                # ONNX Runtime aligns the corners of whole pixels, the standard those of 8.5 x 9.2.
                whole = transformation == "align_corners"
                scales = np.array([1, 1, 2, 3] if whole else [1, 1, 1.7, 2.3], np.float32)
                yield case.take(
                    case.floats(1, 2, 5, 4),
                    np.array([], np.float32),
                    scales,
                    weights=[1, 2],
                    mode=mode,
                    coordinate_transformation_mode=transformation,
                )


def moves():
    for opset in (7, 9):
        case = form("Slice", opset)
        yield case.take(case.floats(4, 5, 6), starts=[1, -4], ends=[3, 100], axes=[0, 2])
        case = form("Slice", opset, "all_axes")
        yield case.take(case.floats(4, 5), starts=[0, 2], ends=[-1, 5])
    case = form("Slice", 10)
    yield case.take(case.floats(4, 5), ints(3), ints(-5), ints(0), ints(-2), weights=[1, 2, 3, 4])
    for opset in (7, 10):
        for mode in ("constant", "reflect", "edge"):
            case = form("Pad", opset, mode)
            yield case.take(case.floats(3, 4), mode=mode, pads=[1, 2, 0, 1], value=0.5)
    case = form("Pad", 10, "crops")
    yield case.take(case.floats(3, 4), pads=[-1, 2, 0, -1])
    case = form("Pad", 11)
    yield case.take(case.floats(3, 4), ints(1, 0, 2, 1), np.array(1.5, np.float32), weights=[1])
    for opset in (7, 11):
        case = form("Split", opset)
        yield case.take(case.floats(2, 6), outputs=3, axis=1)
        case = form("Split", opset, "sizes")
        yield case.take(case.floats(7, 2), outputs=2, split=[3, 4])
        case = form("Squeeze", opset)
        yield case.take(case.floats(1, 3, 1, 2), axes=[0, 2])
        case = form("Unsqueeze", opset)
        yield case.take(case.floats(3, 2), axes=[0, 3])
    case = form("Squeeze", 11, "all")
    yield case.take(case.floats(1, 3, 1))
    case = form("Scatter", 9)
    yield case.take(case.floats(4, 3), ints(1, 0, 2, 3, 1, 0).reshape(2, 3), case.floats(2, 3))
    case = form("Scatter", 9, "axis")
    yield case.take(case.floats(2, 5), ints(1, 3).reshape(1, 2), case.floats(1, 2), axis=1)
    case = form("Flatten", 7)
    yield case.take(case.floats(2, 3, 4), axis=2)
    case = form("OneHot", 9)
    values = np.array([-1, 2], np.float32)
    yield case.take(ints(1, 0, 2, 7), np.array(3, np.int64), values, weights=[1], axis=0)
    case = form("EyeLike", 9)
    yield case.take(case.floats(3, 4), k=1)
    for opset in (7, 11):
        case = form("DepthToSpace", opset)
        yield case.take(case.floats(1, 8, 2, 3), blocksize=2)
        case = form("Gather", opset)
        yield case.take(case.floats(4, 3), ints(2, 0, 3), axis=0)
    case = form("TopK", 9)
    yield case.take(case.floats(3, 6), outputs=2, k=2, axis=1)
    case = form("TopK", 10)
    yield case.take(case.floats(3, 6), ints(3), weights=[1], outputs=2)


def arithmetic():
    for opset in (7, 10):
        case = form("Clip", opset)
        yield case.take(case.floats(3, 4), min=-0.25, max=0.5)
    case = form("Clip", 10, "open")
    yield case.take(case.floats(3, 4), max=0.25)
    case = form("Clip", 11)
    yield case.take(case.floats(3, 4), np.array(-0.25, np.float32), None)
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for opset in (7, 11):
            for axis in (None, 0, 2):
                case = form(op, opset, f"axis_{axis}")
                yield case.take(case.floats(2, 3, 4), axis=axis)
        case = form(op, 13)
        yield case.take(case.floats(2, 3, 4))
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"):
        for opset in (7, 11):
            case = form(op, opset)
            yield case.take(case.floats(2, 3, 4), axes=[0, 2], keepdims=0)
            case = form(op, opset, "all")
            yield case.take(case.floats(2, 3))
    for opset in (7, 11):
        for op in ("ArgMax", "ArgMin"):
            case = form(op, opset)
            yield case.take(case.floats(3, 5), axis=1, keepdims=0)
        case = form("Gemm", opset)
        yield case.take(case.floats(3, 4), case.floats(5, 4), case.floats(3, 1), transB=1, beta=0.5)
    for opset in (7, 8):
        for op in ("Max", "Min", "Sum", "Mean"):
            case = form(op, opset)
            yield case.take(*[case.floats(3, 4) for _ in range(3)])
    case = form("PRelu", 7)
    yield case.take(case.floats(2, 3, 4), case.floats(3, 1))
    case = form("Pow", 7)
    yield case.take(case.floats(3, 4, low=0.5, high=2), case.floats(4))
    case = form("Equal", 7)
    yield case.take(case.ints(0, 3, 3, 4), case.ints(0, 3, 4))
    case = form("Greater", 7)
    yield case.take(case.floats(3, 4), case.floats(4))
    case = form("And", 7)
    yield case.take(case.bools(3, 4), case.bools(4))
    for opset in (7, 9):
        case = form("Cast", opset)
        yield case.take(case.floats(3, 4, low=-9, high=9), to=6)
    for opset in (7, 10):
        case = form("Dropout", opset)
        yield case.take(case.floats(3, 4), ratio=0.3)


def windows():
    for opset in (7, 8, 10, 11):
        case = form("MaxPool", opset)
        yield case.take(
            case.floats(1, 2, 6, 5), kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]
        )
        case = form("AveragePool", opset)
        yield case.take(
            case.floats(1, 2, 6, 5), kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1
        )
    for order in (0, 1):
        case = form("MaxPool", 8, f"indices_{order}")
        yield case.take(
            case.floats(2, 2, 6, 5), outputs=2, kernel_shape=[2, 2], storage_order=order
        )
    for op in ("MaxPool", "AveragePool"):
        case = form(op, 10, "ceil")
        yield case.take(case.floats(1, 2, 6, 6), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            case = form(op, 7, pad.lower())
            yield case.take(
                case.floats(1, 2, 7, 6), kernel_shape=[3, 2], strides=[2, 2], auto_pad=pad
            )
    for opset in (7, 11, 18):
        case = form("LpPool", opset)
        yield case.take(case.floats(1, 2, 6, 5), kernel_shape=[2, 3], p=1)
    for opset in (7, 11):
        case = form("Conv", opset)
        yield case.take(case.floats(1, 4, 6, 5), case.floats(6, 2, 3, 3), group=2, pads=[1] * 4)
        case = form("ConvTranspose", opset)
        yield case.take(
            case.floats(1, 4, 3, 4),
            case.floats(4, 2, 3, 3),
            case.floats(2),
            strides=[2, 2],
            output_padding=[1, 1],
        )
        case = form("ConvTranspose", opset, "shape")
        yield case.take(
            case.floats(1, 2, 3, 4), case.floats(2, 2, 3, 3), strides=[2, 2], output_shape=[6, 9]
        )
    for mode in ("bilinear", "nearest", "bicubic"):
        case = form("GridSample", 16, mode)
        grid = case.floats(1, 3, 4, 2, low=-1.2, high=1.2)
        yield case.take(case.floats(1, 2, 5, 6), grid, mode=mode)
    for opset in (10, 16):
        case = form("RoiAlign", opset)
        rois = np.array([[0.5, 1, 6, 5], [2, 2, 7, 7]], np.float32)
        yield case.take(
            case.floats(2, 2, 8, 8),
            rois,
            ints(0, 1),
            output_height=2,
            output_width=3,
            sampling_ratio=2,
        )
    case = form("MaxRoiPool", 7)
    rois = np.array([[0, 1, 1, 6, 5], [1, 2, 3, 7, 7], [1, 0, 0, 2, 1]], np.float32)
    yield case.take(case.floats(2, 3, 8, 8), rois, pooled_shape=[3, 2], spatial_scale=0.75)


def layers():
    for opset in (7, 9):
        case = form("BatchNormalization", opset)
        x, variance = case.floats(2, 3, 4, 5), case.floats(3, low=0.5, high=2)
        yield case.take(x, *[case.floats(3) for _ in range(3)], variance, epsilon=1e-3)
    case = form("BatchNormalization", 14, "trains")
    x, variance = case.floats(2, 3, 4, 5), case.floats(3, low=0.5, high=2)
    yield case.take(
        x,
        *[case.floats(3) for _ in range(3)],
        variance,
        outputs=3,
        training_mode=1,
        momentum=0.75,
    )
    case = form("InstanceNormalization", 7)
    yield case.take(case.floats(2, 3, 4), case.floats(3), case.floats(3))
    case = form("LRN", 7)
    yield case.take(case.floats(1, 5, 3, 3), size=3, alpha=0.1, bias=2.0)
    case = form("MeanVarianceNormalization", 9)
    yield case.take(case.floats(2, 3, 4, 5))
    for op, gates in [("RNN", 1), ("GRU", 3), ("LSTM", 4)]:
        for direction, count in [("forward", 1), ("reverse", 1), ("bidirectional", 2)]:
            case = form(op, 7, direction)
            hidden = 3
            yield case.take(
                case.floats(4, 2, 5),
                case.floats(count, gates * hidden, 5),
                case.floats(count, gates * hidden, hidden),
                case.floats(count, 2 * gates * hidden),
                np.array([4, 3], np.int32),
                weights=[1, 2, 3, 4],
                outputs=2,
                hidden_size=hidden,
                direction=direction,
            )
    case = form("GRU", 7, "linear_before_reset")
    yield case.take(
        case.floats(4, 2, 5),
        case.floats(1, 9, 5),
        case.floats(1, 9, 3),
        case.floats(1, 18),
        outputs=2,
        hidden_size=3,
        linear_before_reset=1,
    )
    # What ONNX Runtime's optimizers write into models that are older than the operator.
    case = form("LayerNormalization", 11)
    yield case.take(case.floats(2, 3, 8), case.floats(8), case.floats(8), epsilon=1e-3)
    case = form("NonMaxSuppression", 10)
    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3], [0, 2.05, 1, 3]]], np.float32)
    scores = np.array([[[0.9, 0.8, 0.7, 0.95]]], np.float32)
    yield case.take(boxes, scores, ints(3), *[np.array([x], np.float32) for x in (0.5, 0.1)])
    for opset, axes in [(17, {"axis": 1}), (20, {})]:
        case = form("DFT", opset)
        axis = np.array(1, np.int64) if opset == 20 else None
        yield case.take(case.floats(2, 8, 1), None, axis, onesided=1, **axes)


def quantized():
    scale, point = np.array(0.05, np.float32), np.array(120, np.uint8)
    for opset in (10, 13, 19):
        case = form("QuantizeLinear", opset)
        yield case.take(case.floats(3, 4, low=-4, high=4), scale, point)
        case = form("DequantizeLinear", opset)
        yield case.take(case.ints(0, 256, 3, 4, dtype=np.uint8), scale, point)
    case = form("QuantizeLinear", 13, "axis")
    scales, points = case.floats(4, low=0.01, high=0.1), case.ints(-9, 9, 4, dtype=np.int8)
    yield case.take(case.floats(3, 4, 2), scales, points)


FAMILIES = [resized, moves, arithmetic, windows, layers, quantized]

if __name__ == "__main__":
    write_families(__doc__.split(":")[0], FAMILIES)
