#!/usr/bin/env python3
"""Exports models of PyTorch and torchvision to ONNX through both exporters, with random weights
from a fixed seed and PyTorch's own outputs beside them, in the layout of the ONNX backend tests:

    OUT/MODEL-EXPORTER/model.onnx
    OUT/MODEL-EXPORTER/test_data_set_K/{input,output}_I.pb

tests/exports/run_all.sh does it all: it makes a virtual environment with what this script needs
(gigabytes, since PyTorch's package brings CUDA along; tests/exports/requirements.txt knows how to
do with less), runs this script and check_models.py, which prints what Ergo makes of each model.
By hand:

    build/exports-venv/bin/python tests/exports/export_models.py --out build/exports
    tests/exports/check_models.py build/exports --ergo build/release/ergo

The tiny variants that continuous integration runs (exports_onnx_test and its like) were made by

    build/exports-venv/bin/python tests/exports/export_models.py --tiny --out tests/exports/tiny

Exporters: torchscript at opset 17; dynamo at opset 18, and at 23 (dynamo23), whose operators
include Attention and RMSNormalization.
"""

import argparse
import fnmatch
import logging
import pathlib
import shutil
import sys
import time
import warnings

import onnx
import sequence_models
import tiny_models
import torch
import vision_models
from model_spec import settle

EXPORTERS = {"torchscript": 17, "dynamo": 18, "dynamo23": 23}


def flatten(outputs):
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [tensor for output in outputs for tensor in flatten(output)]


def export_torchscript(module, spec, path):
    axes = {name: dict(axes) for name, axes in spec.dynamic.items()}
    torch.onnx.export(
        module,
        spec.inputs(0),
        path,
        dynamo=False,
        opset_version=EXPORTERS["torchscript"],
        input_names=spec.input_names,
        output_names=spec.output_names,
        dynamic_axes=axes or None,
    )


def export_dynamo(module, spec, path, opset):
    symbols = {}
    shapes = []
    for name in spec.input_names:
        axes = spec.dynamic.get(name, {})
        shapes.append(
            {axis: symbols.setdefault(s, torch.export.Dim(s)) for axis, s in axes.items()}
        )
    if any(name.startswith("past.") for name in spec.input_names):
        shapes = [shapes[0], tuple(shapes[1:])]  # forward(input_ids, *past)
    torch.onnx.export(
        module,
        spec.inputs(0),
        path,
        dynamo=True,
        opset_version=opset,
        input_names=spec.input_names,
        output_names=spec.output_names,
        dynamic_shapes=tuple(shapes) if symbols else None,
        external_data=False,
        verbose=False,
    )


def check_worth(name, tensor):
    """Outputs that would match almost anything prove nothing."""
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty")
    if tensor.dtype.is_floating_point:
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} is not finite")
        if tensor.numel() > 1 and float(tensor.std()) < 1e-3:
            raise ValueError(f"{name} is almost constant: {float(tensor.std())}")


def write_data_sets(module, spec, folder):
    spread = []
    for k in range(spec.data_sets):
        data = folder / f"test_data_set_{k}"
        data.mkdir()
        inputs = spec.inputs(k)
        with torch.no_grad():
            outputs = flatten(module(*inputs))
        for side, names, tensors in [
            ("input", spec.input_names, inputs),
            ("output", spec.output_names, outputs),
        ]:
            for i, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
                if side == "output":
                    check_worth(name, tensor)
                    spread.append(f"{float(tensor.float().std()):.2g}")
                proto = onnx.numpy_helper.from_array(tensor.detach().numpy(), name)
                (data / f"{side}_{i}.pb").write_bytes(proto.SerializeToString())
    return spread


def shrink(path):
    """Rewrites a model with short names and without what only people read, which is most of a tiny
    model."""
    model = onnx.load(path)
    kept = {value.name for value in [*model.graph.input, *model.graph.output]} | {""}
    short = {}

    def rename(names):
        for i, name in enumerate(names):
            if name not in kept:
                names[i] = short.setdefault(name, f"v{len(short)}")

    def shrink_graph(graph):
        del graph.value_info[:]
        del graph.metadata_props[:]
        for tensor in graph.initializer:
            if tensor.name not in kept:
                tensor.name = short.setdefault(tensor.name, f"v{len(short)}")
        for value in [*graph.input, *graph.output]:
            if value.name not in kept:
                value.name = short.setdefault(value.name, f"v{len(short)}")
        for i, node in enumerate(graph.node):
            node.name = f"{node.op_type}_{i}"
            node.doc_string = ""
            del node.metadata_props[:]
            rename(node.input)
            rename(node.output)
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    shrink_graph(attribute.g)

    shrink_graph(model.graph)
    onnx.save(model, path)


def export(spec, exporter, out, tiny):
    """Makes one folder; what fails leaves none behind."""
    folder = out / f"{spec.name}-{exporter}"
    making = out / f".{folder.name}"
    for old in [folder, making]:
        shutil.rmtree(old, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        spread = make_folder(spec, exporter, making, tiny)
    except BaseException:
        shutil.rmtree(making)
        raise
    making.rename(folder)
    return spread


def make_folder(spec, exporter, making, tiny):
    module = settle(spec.make(), spec)
    path = str(making / "model.onnx")
    if exporter == "torchscript":
        export_torchscript(module, spec, path)
    else:
        export_dynamo(module, spec, path, EXPORTERS[exporter])
    if tiny:
        shrink(path)
    return write_data_sets(module, spec, making)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/exports"))
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only models whose name matches, as in 'resnet*'; may be repeated",
    )
    parser.add_argument(
        "--exporter",
        choices=["torchscript", "dynamo", "both"],
        default="both",
        help="dynamo exports at opsets 18 and 23",
    )
    parser.add_argument("--tiny", action="store_true", help="the tiny variants, for CI")
    parser.add_argument("--list", action="store_true", help="name the models and end")
    parser.add_argument("--keep", action="store_true", help="leave alone what is there already")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    full = [*vision_models.specs(), *sequence_models.specs()]
    patterns = arguments.only or ["*"]
    specs = [
        spec
        for spec in (tiny_models.specs() if arguments.tiny else full)
        if any(fnmatch.fnmatch(spec.name, pattern) for pattern in patterns)
    ]
    if arguments.list:
        print("\n".join(spec.name for spec in specs))
        return 0
    failures = 0
    for spec in specs:
        for exporter in EXPORTERS:
            chosen = arguments.exporter in (exporter.rstrip("0123456789"), "both")
            if not chosen or exporter not in spec.exporters:
                continue
            if arguments.keep and (arguments.out / f"{spec.name}-{exporter}").exists():
                continue
            begin = time.monotonic()
            try:
                spread = export(spec, exporter, arguments.out, arguments.tiny)
            except Exception as error:  # one model's failure is no reason to leave out the others
                failures += 1
                said = str(error).strip().split("\n")[0]
                print(f"FAIL {spec.name}-{exporter}: {type(error).__name__}: {said}", flush=True)
                continue
            took = time.monotonic() - begin
            print(
                f"{spec.name}-{exporter}: {took:.1f} s, deviations {' '.join(spread[:4])}",
                flush=True,
            )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
