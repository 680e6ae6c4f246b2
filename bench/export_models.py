"""Writes the models that the benchmark runs: `python export_models.py FOLDER [--onnx] [--models MODULE] [NAME ...]`.

All of them and torchvision's by default; MODULE has functions of the same names that build models of the same structure.
Weights are random, with a fixed seed; the batch norms have seen a few batches, so that activations have the sizes that those of a
trained model have. Of each model: the TorchScript file for nacue, the weights for pytorch-ood, and where asked for an ONNX file.
"""

import argparse
import importlib
from pathlib import Path
from types import ModuleType

import torch

SIDES = {"resnet18": 224, "resnet50": 224, "mobilenet_v3_small": 96}


def build(models: ModuleType, name: str, side: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = getattr(models, name)(weights=None)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain average
    with torch.no_grad():
        for _ in range(3):
            model.train()(torch.randn(8, 3, side, side))
    return model.eval()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--onnx", action="store_true", help="the ONNX files alone")
parser.add_argument("--models", default="torchvision.models", help="the module that builds them")
parser.add_argument("names", nargs="*", default=list(SIDES))
arguments = parser.parse_args()
folder = arguments.folder
folder.mkdir(parents=True, exist_ok=True)
models = importlib.import_module(arguments.models)
for name in arguments.names:
    side = SIDES[name]
    model = build(models, name, side)
    if arguments.onnx:
        batch = torch.zeros(1, 3, side, side)
        axes = {"input": {0: "batch"}, "logits": {0: "batch"}}
        names = {"input_names": ["input"], "output_names": ["logits"], "dynamic_axes": axes}
        torch.onnx.export(model, (batch,), folder / f"{name}.onnx", dynamo=False, **names)
    else:
        torch.jit.script(model).save(folder / f"{name}.pt")
        torch.save(model.state_dict(), folder / f"{name}.weights.pt")
