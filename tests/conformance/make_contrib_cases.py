"""Writes cases of com.microsoft's operators: make_contrib_cases.py OUT

Scales of quantized results are such that none lies in the middle between two steps, where
implementations differ.
"""

import numpy as np

from runtime_case import F32, Case, write_families


def gelus():
    for name, shape in [("gelu", (3, 5)), ("gelu_4d", (2, 3, 4, 5))]:
        case = Case(name, "Gelu")
        yield case.take(case.floats(*shape, low=-3, high=3))
    case = Case("bias_gelu", "BiasGelu")
    yield case.take(case.floats(2, 3, 8), case.floats(8))
    for alpha in (None, 1.0):
        case = Case(f"quick_gelu_{alpha}", "QuickGelu")
        yield case.take(case.floats(3, 7, low=-4, high=4), alpha=alpha)
    case = Case("fast_gelu", "FastGelu")
    yield case.take(case.floats(2, 3, 8, low=-3, high=3))
    case = Case("fast_gelu_bias", "FastGelu")
    yield case.take(case.floats(2, 3, 8), case.floats(8))


def fused():
    products = [
        ((3, 4), (4, 5), {}),
        ((4, 3), (5, 4), {"transA": 1, "transB": 1, "alpha": 0.5}),
        ((2, 3, 6, 4), (2, 3, 5, 4), {"transB": 1, "alpha": 0.125}),
        ((2, 1, 4, 6), (3, 4, 5), {"transA": 1}),
        ((6, 2, 3, 4), (2, 3, 4, 5), {"transBatchA": 1}),
        ((6, 2, 4), (5, 2, 4), {"transBatchA": 1, "transBatchB": 1, "transB": 1}),
        ((4,), (4, 5), {"transA": 1}),
    ]
    for i, (a, b, attributes) in enumerate(products):
        case = Case(f"fused_matmul_{i}", "FusedMatMul")
        yield case.take(case.floats(*a), case.floats(*b), **attributes)

    for upper in (0, 1):
        case = Case(f"contrib_trilu_{upper}", "Trilu")
        yield case.take(case.floats(2, 3, 4), np.array(1, np.int64), weights=[1], upper=upper)
    case = Case("contrib_grid_sample", "GridSample")
    yield case.take(
        case.floats(1, 2, 4, 5),
        case.floats(1, 3, 4, 2, low=-1.2, high=1.2),
        mode="bilinear",
        padding_mode="border",
        align_corners=1,
    )

    activations = [
        ("Relu", None),
        ("Tanh", None),
        ("Sigmoid", None),
        ("LeakyRelu", [0.25]),
        ("Clip", [-0.5, 0.5]),
        ("HardSigmoid", [0.3, 0.4]),
    ]
    for activation, params in activations:
        case = Case(f"fused_conv_{activation.lower()}", "FusedConv")
        yield case.take(
            case.floats(1, 2, 7, 6),
            case.floats(4, 2, 3, 3),
            case.floats(4),
            weights=[1, 2],
            activation=activation,
            activation_params=params,
            pads=[1, 1, 1, 1],
            kernel_shape=[3, 3],
        )
    case = Case("fused_conv_sum", "FusedConv")
    yield case.take(
        case.floats(1, 4, 5, 5),
        case.floats(4, 2, 3, 3),
        case.floats(4),
        case.floats(1, 4, 3, 3),
        activation="Relu",
        group=2,
        kernel_shape=[3, 3],
    )
    for activation, alpha in [("Relu", None), ("LeakyRelu", 0.25), ("Sigmoid", None)]:
        case = Case(f"fused_gemm_{activation.lower()}", "FusedGemm")
        yield case.take(
            case.floats(4, 3),
            case.floats(4, 5),
            case.floats(5),
            activation=activation,
            activation_alpha=alpha,
            transA=1,
            alpha=0.5,
            beta=2.0,
        )


def norms():
    case = Case("skip_layer_norm", "SkipLayerNormalization")
    x, skip = case.floats(2, 3, 8), case.floats(2, 3, 8)
    yield case.take(x, skip, case.floats(8), case.floats(8), epsilon=1e-5)
    case = Case("skip_layer_norm_bias_and_sum", "SkipLayerNormalization")
    x, skip = case.floats(2, 3, 8), case.floats(2, 3, 8)
    yield case.take(x, skip, case.floats(8), None, case.floats(8), outputs=4)
    case = Case("skip_layer_norm_broadcast", "SkipLayerNormalization")
    yield case.take(case.floats(2, 3, 8), case.floats(3, 8), case.floats(8), case.floats(8))
    for bias in (False, True):
        case = Case(f"skip_simplified_layer_norm_{bias}", "SkipSimplifiedLayerNormalization")
        x, skip, gamma = case.floats(2, 3, 8), case.floats(2, 3, 8), case.floats(8)
        yield case.take(x, skip, gamma, case.floats(8) if bias else None, epsilon=1e-6)
    case = Case("simplified_layer_norm", "SimplifiedLayerNormalization", "")
    yield case.take(case.floats(2, 3, 8), case.floats(8), epsilon=1e-5)
    case = Case("simplified_layer_norm_axis", "SimplifiedLayerNormalization", "")
    yield case.take(case.floats(2, 3, 4), case.floats(3, 4), axis=1, outputs=2)

    for segments in (False, True):
        for mask in (False, True):
            case = Case(f"embed_layer_norm_{segments}_{mask}", "EmbedLayerNormalization")
            yield case.take(
                case.ints(0, 10, 2, 5),
                case.ints(0, 2, 2, 5) if segments else None,
                case.floats(10, 8),
                case.floats(7, 8),
                case.floats(2, 8) if segments else None,
                case.floats(8),
                case.floats(8),
                case.ints(0, 2, 2, 5) if mask else None,
                outputs=2 if mask else 1,
                mask_index_type=1 if mask else 0,
            )
    case = Case("embed_layer_norm_positions", "EmbedLayerNormalization")
    yield case.take(
        case.ints(0, 10, 2, 5),
        None,
        case.floats(10, 8),
        case.floats(7, 8),
        None,
        case.floats(8),
        case.floats(8),
        None,
        case.ints(0, 7, 2, 5),
        epsilon=1e-5,
        outputs=3,
        mask_index_type=0,
    )


def attention_masks(batch, q_len, kv_len):
    ends = np.arange(batch, dtype=np.int32) % kv_len + 1
    rows = (np.arange(kv_len) < ends[:, None]).astype(np.int32)
    square = np.repeat(rows[:, None, :], q_len, axis=1)
    square[:, :, 0] = 1
    return {
        "none": None,
        "ends": ends,
        "ends_starts": np.concatenate([ends, ends // 3]).astype(np.int32),
        "raw": rows,
        "square": square,
    }


def attentions():
    heads, head, length, width = 2, 4, 5, 6
    for kind, mask in attention_masks(3, length, length).items():
        for causal in (0, 1):
            case = Case(f"contrib_attention_{kind}_{causal}", "Attention")
            yield case.take(
                case.floats(3, length, width),
                case.floats(width, 3 * heads * head),
                case.floats(3 * heads * head),
                mask,
                weights=[1, 2],
                num_heads=heads,
                unidirectional=causal,
            )
    case = Case("contrib_attention_sizes", "Attention")
    yield case.take(
        case.floats(2, length, width),
        case.floats(width, 8 + 8 + 6),
        case.floats(8 + 8 + 6),
        None,
        None,
        case.floats(2, heads, length, length),
        num_heads=heads,
        qkv_hidden_sizes=[8, 8, 6],
        scale=0.25,
    )
    for kind, mask in attention_masks(2, length, 3 + length).items():
        if kind == "ends_starts":
            continue
        case = Case(f"contrib_attention_past_{kind}", "Attention")
        yield case.take(
            case.floats(2, length, width),
            case.floats(width, 3 * heads * head),
            case.floats(3 * heads * head),
            mask,
            case.floats(2, 2, heads, 3, head),
            num_heads=heads,
            unidirectional=1,
            outputs=2,
        )


def quantized_attentions():
    heads, head, length, width = 2, 4, 5, 6
    for kind, mask in attention_masks(2, length, length).items():
        for per_column in (False, True):
            case = Case(f"contrib_qattention_{kind}_{per_column}", "QAttention")
            columns = [3 * heads * head] if per_column else []
            yield case.take(
                case.ints(0, 256, 2, length, width, dtype=np.uint8),
                case.ints(-128, 128, width, 3 * heads * head, dtype=np.int8),
                case.floats(3 * heads * head),
                np.array(0.01, F32),
                case.floats(*columns, low=0.005, high=0.02),
                mask,
                np.array(121, np.uint8),
                case.ints(-9, 9, *columns, dtype=np.int8),
                weights=[1, 2, 4, 7],
                num_heads=heads,
            )


def multi_head_attentions():
    heads, head, length = 2, 4, 5
    for kind, mask in attention_masks(2, length, 7).items():
        if kind == "ends_starts":
            continue
        for bias in (False, True):
            case = Case(f"multi_head_attention_{kind}_{bias}", "MultiHeadAttention")
            yield case.take(
                case.floats(2, length, 8),
                case.floats(2, 7, 8),
                case.floats(2, 7, 6),
                case.floats(8 + 8 + 6) if bias else None,
                mask,
                case.floats(1, heads, length, 7) if bias else None,
                num_heads=heads,
            )
    case = Case("multi_head_attention_past", "MultiHeadAttention")
    x = [case.floats(2, 2, 8) for _ in range(3)]
    past = [case.floats(2, heads, 3, head) for _ in range(2)]
    yield case.take(
        *x, case.floats(24), None, None, *past, num_heads=heads, unidirectional=1, outputs=3
    )
    case = Case("multi_head_attention_cross", "MultiHeadAttention")
    cross = [case.floats(2, heads, 6, head) for _ in range(2)]
    yield case.take(case.floats(2, 3, 8), *cross, num_heads=heads, scale=0.3)


def rotary_embeddings():
    positions = {
        "offset": np.array([2], np.int64),
        "each": np.array([[0, 1, 2, 3], [3, 2, 5, 6]], np.int64),
    }
    for kind, ids in positions.items():
        for interleaved in (0, 1):
            case = Case(f"contrib_rotary_{kind}_{interleaved}", "RotaryEmbedding")
            cosines, sines = case.floats(9, 3), case.floats(9, 3)
            yield case.take(case.floats(2, 4, 12), ids, cosines, sines, interleaved=interleaved)
    case = Case("contrib_rotary_4d", "RotaryEmbedding")
    cosines, sines = case.floats(9, 2), case.floats(9, 2)
    yield case.take(case.floats(2, 3, 4, 4), positions["each"], cosines, sines)
    case = Case("contrib_rotary_part", "RotaryEmbedding")
    cosines, sines = case.floats(9, 2), case.floats(9, 2)
    yield case.take(
        case.floats(2, 4, 24),
        positions["each"],
        cosines,
        sines,
        num_heads=3,
        rotary_embedding_dim=4,
    )


def group_queries():
    """Steps of a decoder: (name, batch, new tokens, past, buffer)."""
    steps = [
        ("prompt", 2, 4, 0, 0),
        ("token", 2, 1, 5, 5),
        ("chunk", 1, 3, 4, 4),
        ("buffer", 1, 1, 5, 9),
    ]
    forms = [
        ("plain", {}),
        ("rotary", {"do_rotary": 1}),
        ("interleaved", {"do_rotary": 1, "rotary_interleaved": 1}),
        ("packed", {"do_rotary": 1}),
        ("window", {"local_window_size": 2}),
        ("cap", {"softcap": 2.0, "scale": 0.3}),
        ("bias", {}),
    ]
    q_heads, kv_heads, head = 4, 2, 16
    for step, batch, new, past, buffer in steps:
        for form, attributes in forms:
            case = Case(f"group_query_{step}_{form}", "GroupQueryAttention")
            total = past + new
            q = case.floats(batch, new, q_heads * head)
            k = case.floats(batch, new, kv_heads * head)
            v = case.floats(batch, new, kv_heads * head)
            if form == "packed":
                q, k, v = np.concatenate([q, k, v], axis=2), None, None
            rotary = attributes.get("do_rotary", 0)
            caches = [case.floats(batch, kv_heads, buffer, head) for _ in range(2)]
            for cache in caches:
                cache[:, :, past:] = 0
            yield case.take(
                q,
                k,
                v,
                *(caches if buffer else [None, None]),
                np.full([batch], total - 1, np.int32),
                np.array(total, np.int32),
                case.floats(16, head // 2) if rotary else None,
                case.floats(16, head // 2) if rotary else None,
                None,
                case.floats(batch, 1, new, total) if form == "bias" else None,
                outputs=3,
                num_heads=q_heads,
                kv_num_heads=kv_heads,
                **attributes,
            )
    # Sequences of different lengths.
    case = Case("group_query_ragged", "GroupQueryAttention")
    caches = [case.floats(2, kv_heads, 6, head) for _ in range(2)]
    for cache in caches:
        cache[1, :, 3:] = 0
    yield case.take(
        case.floats(2, 1, q_heads * head),
        case.floats(2, 1, kv_heads * head),
        case.floats(2, 1, kv_heads * head),
        *caches,
        np.array([6, 3], np.int32),
        np.array(7, np.int32),
        outputs=3,
        num_heads=q_heads,
        kv_num_heads=kv_heads,
    )


def scale(power):
    return np.array(2.0**power, F32)


def point(value, dtype):
    return np.array(value, dtype)


def byte_types():
    """(type, its name, its least number, a zero point)."""
    yield np.uint8, "uint8", 0, 120
    yield np.int8, "int8", -128, -3


def quantized_arithmetic():
    for dtype, kind, low, mean in byte_types():

        def number(case, *shape):
            return case.ints(low, low + 256, *shape, dtype=dtype)

        for op in ("QLinearAdd", "QLinearMul"):
            for a, b in [((3, 5), (3, 5)), ((2, 3, 4), (4,)), ((2, 1, 3), ())]:
                case = Case(f"{op.lower()}_{kind}_{len(b)}", op)
                yield case.take(
                    number(case, *a),
                    scale(-4),
                    point(mean, dtype),
                    number(case, *b),
                    scale(-5),
                    point(mean + 5, dtype),
                    np.array(0.137 if op == "QLinearAdd" else 0.293, F32),
                    point(mean - 5, dtype),
                    weights=[1, 2, 4, 5, 6, 7],
                )
        for op, out in [("QLinearSigmoid", -8), ("QLinearLeakyRelu", -5)]:
            case = Case(f"{op.lower()}_{kind}", op)
            yield case.take(
                number(case, 3, 7),
                scale(-4),
                point(mean, dtype),
                scale(out),
                point(0, dtype),
                weights=[1, 2, 3, 4],
                alpha=0.25 if op == "QLinearLeakyRelu" else None,
            )

def quantized_moves():
    for dtype, kind, low, mean in byte_types():

        def number(case, *shape):
            return case.ints(low, low + 256, *shape, dtype=dtype)

        for last in (0, 1):
            shape = (2, 4, 4, 3) if last else (2, 3, 4, 4)
            case = Case(f"qlinear_global_average_pool_{kind}_{last}", "QLinearGlobalAveragePool")
            yield case.take(
                number(case, *shape),
                scale(-4),
                point(mean, dtype),
                np.array(0.043, F32),
                point(mean, dtype),
                weights=[1, 2, 3, 4],
                channels_last=last,
            )
        case = Case(f"qlinear_concat_{kind}", "QLinearConcat")
        parts = [number(case, 2, 3), scale(-4), point(mean, dtype)]
        parts += [number(case, 2, 2), scale(-3), point(mean + 2, dtype)]
        yield case.take(scale(-3), point(mean, dtype), *parts, weights=[0, 1, 3, 4, 6, 7], axis=1)
        case = Case(f"qlinear_softmax_{kind}", "QLinearSoftmax")
        yield case.take(
            number(case, 3, 7),
            scale(-4),
            point(mean, dtype),
            scale(-8),
            point(low, dtype),
            weights=[1, 2, 3, 4],
            axis=-1,
            opset=13,
        )
        case = Case(f"qlinear_where_{kind}", "QLinearWhere")
        parts = [number(case, 3, 4), scale(-4), point(mean, dtype)]
        parts += [number(case, 4), scale(-5), point(mean + 2, dtype)]
        out = [np.array(0.083, F32), point(mean, dtype)]
        yield case.take(case.bools(3, 1), *parts, *out, weights=[2, 3, 5, 6, 7, 8])
        case = Case(f"contrib_dequantize_{kind}", "DequantizeLinear")
        yield case.take(number(case, 3, 4), scale(-4), point(mean, dtype))
        case = Case(f"contrib_quantize_{kind}", "QuantizeLinear")
        yield case.take(case.floats(3, 4, low=-9, high=9), scale(-4), point(mean, dtype))

    for pads in ([0, 0, 0, 0], [1, 1, 1, 1]):
        for include in (0, 1):
            name = f"qlinear_average_pool_{pads[0]}_{include}"
            case = Case(name, "QLinearAveragePool")
            yield case.take(
                case.ints(0, 256, 1, 2, 6, 5, dtype=np.uint8),
                scale(-4),
                point(120, np.uint8),
                np.array(0.071, F32),
                point(110, np.uint8),
                weights=[1, 2, 3, 4],
                kernel_shape=[3, 2],
                strides=[2, 1],
                pads=pads,
                count_include_pad=include,
            )


def quantized_products():
    for b_dtype, kind, low, _ in byte_types():
        for per_column in (False, True):
            case = Case(f"dynamic_quantize_matmul_{kind}_{per_column}", "DynamicQuantizeMatMul")
            yield case.take(
                case.floats(2, 3, 8),
                case.ints(low, low + 256, 8, 5, dtype=b_dtype),
                case.floats(*([5] if per_column else []), low=0.01, high=0.1),
                case.ints(low, low + 256, *([5] if per_column else []), dtype=b_dtype),
                case.floats(5),
                weights=[1, 2, 3, 4],
            )
            case = Case(f"matmul_integer_to_float_{kind}_{per_column}", "MatMulIntegerToFloat")
            yield case.take(
                case.ints(0, 256, 2, 3, 8, dtype=np.uint8),
                case.ints(low, low + 256, 8, 5, dtype=b_dtype),
                np.array(0.02, F32),
                case.floats(*([5] if per_column else []), low=0.01, high=0.1),
                np.array(117, np.uint8),
                case.ints(low, low + 256, *([5] if per_column else []), dtype=b_dtype),
                case.floats(5),
                weights=[1, 3, 5, 6],
            )
    for out in (False, True):
        case = Case(f"qgemm_{out}", "QGemm")
        yield case.take(
            case.ints(0, 256, 3, 8, dtype=np.uint8),
            scale(-5),
            point(117, np.uint8),
            case.ints(-128, 128, 5, 8, dtype=np.int8),
            np.array([0.03, 0.05, 0.01, 0.02, 0.04], F32),
            np.zeros(5, np.int8),
            case.ints(-900, 900, 5),
            np.array(0.37, F32) if out else None,
            point(101, np.uint8) if out else None,
            weights=[1, 2, 3, 4, 5, 6, 7, 8] if out else [1, 2, 3, 4, 5, 6],
            transB=1,
        )


def blocked_products():
    for bits in (4, 8):
        for k, block in [(32, 16), (48, 32), (64, 32)]:
            for zeros in (False, True):
                case = Case(f"matmul_nbits_{bits}_{k}_{zeros}", "MatMulNBits")
                n, blocks = 6, -(-k // block)
                packed = case.ints(0, 256, n, blocks, block * bits // 8, dtype=np.uint8)
                points = case.ints(0, 256, n * -(-blocks * bits // 8), dtype=np.uint8)
                yield case.take(
                    case.floats(2, 3, k),
                    packed,
                    case.floats(n * blocks, low=0.01, high=0.1),
                    points if zeros else None,
                    None,
                    case.floats(n) if zeros else None,
                    weights=[1, 2, 3, 5],
                    K=k,
                    N=n,
                    bits=bits,
                    block_size=block,
                )


FAMILIES = [
    *[gelus, fused, norms, attentions, quantized_attentions, multi_head_attentions],
    *[rotary_embeddings, group_queries],
    *[quantized_arithmetic, quantized_moves, quantized_products, blocked_products],
]

if __name__ == "__main__":
    write_families(__doc__.split(":")[0], FAMILIES)
