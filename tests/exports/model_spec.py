"""What export_models.py knows of a model that it exports."""

import dataclasses
from collections.abc import Callable

import torch
import torchvision

ALL_EXPORTERS = ("torchscript", "dynamo", "dynamo23")


@dataclasses.dataclass
class ModelSpec:
    """`make` gives the module, `inputs(k)` the tensors of data set k, of which the exporters see
    the first. `dynamic` names free dimensions, {input: {axis: symbol}}, in which data sets may
    differ."""

    name: str
    make: Callable[[], torch.nn.Module]
    inputs: Callable[[int], tuple]
    input_names: list
    output_names: list
    dynamic: dict = dataclasses.field(default_factory=dict)
    data_sets: int = 1
    # Statistics of BatchNorm come from inputs(100), inputs(101), ...: with those of a fresh module
    # activations explode or vanish in deep nets.
    calibrate: bool = False
    # dynamo23 where opset 23 changes what the exporter makes of it.
    exporters: tuple = ("torchscript", "dynamo")


def average_statistics(module):
    """Makes the statistics of BatchNorm the plain mean over the batches to come."""
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = None
            norm.reset_running_stats()


def settle(module, spec, batches=4):
    """Ready for export: in evaluation mode, with BatchNorm statistics of random inputs."""
    if spec.calibrate:
        average_statistics(module)
        module.train()
        with torch.no_grad():
            for k in range(batches):
                module(*spec.inputs(100 + k))
    return module.eval()


def reseed(text):
    """Fixed random numbers for whatever `text` names."""
    torch.manual_seed(sum(ord(letter) * 31**i for i, letter in enumerate(text)) % 2**31)


def randomize(module):
    """Weights that a fresh module leaves at 0, 1 or almost, where they hide mistakes, become
    random: biases, norms, heads, scales of layers."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() > 1 and float(parameter.float().std()) < 1e-4:
                noise = torch.randn_like(parameter) * 0.1
                constant = float(parameter.float().mean())
                parameter.copy_(noise if abs(constant) < 1e-3 else 1 + noise)
        for block in module.modules():
            if isinstance(block, torchvision.models.resnet.Bottleneck):
                # As training leaves them: all at 1 make 50 layers amplify each rounding.
                torch.nn.init.uniform_(block.bn3.weight, 0.1, 0.4)
    return module
