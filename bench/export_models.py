"""Writes the models that the benchmark runs: `python export_models.py FOLDER [--onnx]` with torchvision.

Weights are random, with a fixed seed; the batch norms have seen a few batches, so that activations have the sizes that those of a
trained model have. Of each model: the TorchScript file for nacue, the weights for pytorch-ood, and where asked for an ONNX file.
"""

import sys
from pathlib import Path

import torch
import torchvision

SIDES = {"resnet18": 224, "resnet50": 224, "mobilenet_v3_small": 96}


def build(name: str, side: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain average
    with torch.no_grad():
        for _ in range(3):
            model.train()(torch.randn(8, 3, side, side))
    return model.eval()


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, side in SIDES.items():
    model = build(name, side)
    if "--onnx" in sys.argv:
        batch = torch.zeros(1, 3, side, side)
        axes = {"input": {0: "batch"}, "logits": {0: "batch"}}
        names = {"input_names": ["input"], "output_names": ["logits"], "dynamic_axes": axes}
        torch.onnx.export(model, (batch,), folder / f"{name}.onnx", dynamo=False, **names)
    else:
        torch.jit.script(model).save(folder / f"{name}.pt")
        torch.save(model.state_dict(), folder / f"{name}.weights.pt")
