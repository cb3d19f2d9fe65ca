"""ONNX models and TensorProto files as bytes: just enough of protobuf to write small ones."""

import numpy as np

DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9}


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded + bytes([number]))


def field(number, value):
    """An integer, or bytes, text or an encoded message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    encoded = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(encoded)) + encoded


def tensor(array, name=""):
    array = np.asarray(array)
    dims = b"".join(field(1, dim) for dim in array.shape)
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    named = field(8, name) if name else b""
    return dims + field(2, DTYPES[array.dtype.name]) + named + field(9, raw)


def port(name, dtype, shape):
    """Dimensions are numbers, or names of symbols."""
    dims = b"".join(field(1, field(1 if isinstance(dim, int) else 2, dim)) for dim in shape)
    return field(1, name) + field(2, field(1, field(1, DTYPES[dtype]) + field(2, dims)))


GRAPH_ATTRIBUTE = 5


def node(op, inputs, outputs, name="", domain="", graphs=None):
    """`graphs` holds encoded graphs by the names of their attributes."""
    encoded = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    for attribute, inner in (graphs or {}).items():
        encoded += field(5, field(1, attribute) + field(6, inner) + field(20, GRAPH_ATTRIBUTE))
    return encoded + field(3, name) + field(4, op) + field(7, domain)


def graph(nodes, inputs, outputs, constants=()):
    encoded = b"".join(field(1, n) for n in nodes) + field(2, "g")
    encoded += b"".join(field(5, c) for c in constants)
    return encoded + b"".join(
        [*(field(11, i) for i in inputs), *(field(12, o) for o in outputs)]
    )


def function(name, domain, inputs, outputs, nodes, opset=17):
    encoded = field(1, name) + b"".join(field(4, i) for i in inputs)
    encoded += b"".join(field(5, o) for o in outputs) + b"".join(field(7, n) for n in nodes)
    return encoded + field(9, field(1, "") + field(2, opset)) + field(10, domain)


def model(nodes, inputs, outputs, constants=(), opset=17, domains=(), functions=()):
    opsets = field(8, field(1, "") + field(2, opset))
    opsets += b"".join(field(8, field(1, domain) + field(2, 1)) for domain in domains)
    body = field(7, graph(nodes, inputs, outputs, constants))
    return field(1, 8) + opsets + body + b"".join(field(25, f) for f in functions)


def binary(op, dtype="float32", shape=("n", 3)):
    """y = op(a, b), the operands of one shape."""
    return model(
        [node(op, ["a", "b"], ["y"], name="only")],
        [port("a", dtype, shape), port("b", dtype, shape)],
        [port("y", dtype, shape)],
    )
