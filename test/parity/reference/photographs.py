"""Runs pytorch-ood and torchvision on image files: what `nacue fit`, `score` and `eval` must give on the same ones.

Writes counts, scores and logits as raw arrays into the folder --out, and case.json, which also has the metrics of every set against the
first one, for NAC-UE and the scores that need nothing but logits. The model is the one of examples/photographs, eager.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pytorch_ood.detector import EnergyBased, MaxLogit, MaxSoftmax
from torch import Tensor
from torchvision.transforms import v2
from train_photograph_model import NarrowResNet

from .detector import run_reference
from .images import IMAGENET, torchvision_transform
from .metrics import from_pytorch_ood
from .run import save

LAYERS = ("layer1", "layer2", "layer3", "avgpool")
M_BINS, ALPHA, O_STAR = 50, (6000.0, 4000.0, 3000.0, 40.0), 5
BATCH = 16
THREADS = 2
BASELINES = {"maxSoftmax": MaxSoftmax.score, "energy": EnergyBased.score, "maxLogit": MaxLogit.score}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--fit", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", required=True, help="NAME=FOLDER, the in-distribution one first")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)

    model = NarrowResNet().eval()
    model.load_state_dict(torch.jit.load(str(arguments.model)).state_dict())
    sets = {name: read_images(Path(folder)) for name, folder in (given.split("=", 1) for given in arguments.sets)}
    batches = {name: images.split(BATCH) for name, images in sets.items()}
    layers = [model.get_submodule(name) for name in LAYERS]
    fit_batches = read_images(arguments.fit).split(BATCH)
    score_batches = [batch for set_batches in batches.values() for batch in set_batches]
    results = run_reference(model, layers, fit_batches, score_batches, M_BINS, ALPHA, O_STAR, "geometric")

    scores = per_set(results.scores, batches)
    logits = per_set(results.logits, batches)
    compared = {name: {"nacue": scores[name], **baselines(logits[name])} for name in sets}
    inside, *outside = compared
    manifest = {
        "layers": LAYERS,
        "mBins": M_BINS,
        "alpha": ALPHA,
        "oStar": O_STAR,
        "batchSize": BATCH,
        "numThreads": THREADS,
        "counts": {
            layer: save(counts, arguments.out, f"counts-{layer}")
            for layer, counts in zip(LAYERS, results.counts, strict=True)
        },
        "sets": {
            name: {
                "scores": save(scores[name], arguments.out, f"scores-{name}"),
                "logits": save(logits[name], arguments.out, f"logits-{name}"),
            }
            for name in sets
        },
        "metrics": {
            name: {score: metrics_of(compared[inside][score], compared[name][score]) for score in compared[name]}
            for name in outside
        },
    }
    (arguments.out / "case.json").write_text(json.dumps(manifest))


def read_images(folder: Path) -> Tensor:
    """All images below a folder in the order of their paths, (N, 3, 224, 224), as `--transform imagenet` must make them."""
    transform = torchvision_transform(resize=256, crop=224, **IMAGENET)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return torch.stack([transform(v2.functional.to_image(Image.open(file).convert("RGB"))) for file in files])


def per_set(results: list[Tensor], batches: dict[str, tuple[Tensor, ...]]) -> dict[str, Tensor]:
    remaining = iter(results)
    return {name: torch.cat([next(remaining) for _ in set_batches]) for name, set_batches in batches.items()}


def baselines(logits: Tensor) -> dict[str, Tensor]:
    return {name: score(logits) for name, score in BASELINES.items()}


def metrics_of(id_scores: Tensor, ood_scores: Tensor) -> dict[str, Any]:
    scores = torch.cat([id_scores, ood_scores]).numpy()
    metrics = from_pytorch_ood(scores, np.repeat([0, 1], [len(id_scores), len(ood_scores)]))
    return {name: metrics[name] for name in ("auroc", "auprIn", "auprOut", "fpr95", "autc")}


if __name__ == "__main__":
    main()
