"""Writes the ONNX backend tests' cases that the installed onnx package brings, those of single
nodes made by it and the others copied, as KIND/CASE/{model.onnx,test_data_set_K/*.pb}, and says how
many it left out as out of scope, by reason.

    make_cases.py OUT
"""

import argparse
import collections
import pathlib
import shutil
import warnings

import onnx
import onnx.backend.test
from onnx.backend.test.loader import load_node_model_tests

DATA = pathlib.Path(onnx.backend.test.__file__).parent / "data"
COPIED_KINDS = ["simple", "pytorch-converted", "pytorch-operator"]
DOMAINS = {"", "ai.onnx", "ai.onnx.preview"}
OPERATORS_OUT = {
    "image decoding": ["ImageDecoder"],
    "optionals": ["Optional", "OptionalGetElement", "OptionalHasElement"],
    "random outputs": ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"]
    + ["RandomUniform", "RandomUniformLike"],
    "sequences": ["SequenceConstruct", "SequenceEmpty", "SplitToSequence"],
}


def all_nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from all_nodes(inner)


def element_types(graph):
    """(what holds them, element type) of everything in `graph` that says its type."""
    for value in [*graph.input, *graph.output, *graph.value_info]:
        yield value.type.WhichOneof("value"), value.type.tensor_type.elem_type
    for node in all_nodes(graph):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield "tensor_type", attribute.t.data_type
            elif node.op_type == "Constant" and attribute.name.startswith("value_string"):
                yield "tensor_type", onnx.TensorProto.STRING


def out_of_scope(model):
    """Why Ergo refuses `model` by design, or None."""
    nodes = list(all_nodes(model.graph))
    nodes += [node for function in model.functions for node in function.node]
    own = {function.domain for function in model.functions}
    for domain in {node.domain for node in nodes} - DOMAINS - own:
        return f"domain {domain}"
    for reason, operators in OPERATORS_OUT.items():
        if any(node.op_type in operators for node in nodes):
            return reason
    for holder, element in element_types(model.graph):
        if holder not in ("tensor_type", None):
            return holder.replace("_type", "s")
        if element == onnx.TensorProto.STRING:
            return "strings"
    return None


def drops_at_random(model, inputs):
    """Whether `model` is a Dropout in training mode that drops: its outputs are random."""
    dropouts = [node for node in model.graph.node if node.op_type == "Dropout"]
    given = dict(zip([value.name for value in model.graph.input], inputs))
    for names in [[*node.input, "", ""] for node in dropouts]:
        if given.get(names[2], False) and given.get(names[1], 0.5) > 0:
            return True
    return False


def write_tensor(value, name, path):
    if not isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.from_array(value, name)
    path.write_bytes(value.SerializeToString())


def write_case(case, folder):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for k, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{k}"
        data.mkdir()
        graph = case.model.graph
        for side, values, tensors in [
            ("input", graph.input, inputs),
            ("output", graph.output, outputs),
        ]:
            for i, tensor in enumerate(tensors):
                write_tensor(tensor, values[i].name, data / f"{side}_{i}.pb")


def main():
    warnings.simplefilter("ignore", RuntimeWarning)  # of casts that overflow, as they are meant to
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path, help="folder that does not exist yet")
    out = parser.parse_args().out
    left_out = collections.Counter()
    written = 0
    for case in load_node_model_tests():
        reason = out_of_scope(case.model)
        if not reason and any(drops_at_random(case.model, inputs) for inputs, _ in case.data_sets):
            reason = "random outputs"
        if reason:
            left_out[reason] += 1
        else:
            write_case(case, out / "node" / case.name)
            written += 1
    for kind in COPIED_KINDS:
        for folder in sorted(path.parent for path in (DATA / kind).glob("*/model.onnx")):
            reason = out_of_scope(onnx.load(folder / "model.onnx"))
            if reason:
                left_out[reason] += 1
            else:
                shutil.copytree(folder, out / kind / folder.name)
                written += 1
    print(f"onnx {onnx.__version__}: {written} cases in {out}")
    for reason, count in left_out.most_common():
        print(f"  {count:4} out of scope: {reason}")


if __name__ == "__main__":
    main()
