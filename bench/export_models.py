"""Writes the models that the benchmark runs: `python export_models.py FOLDER` with torchvision. Weights are random."""

import sys
from pathlib import Path

import torch
import torchvision

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in ("resnet18", "resnet50"):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    torch.jit.script(model).save(folder / f"{name}.pt")
