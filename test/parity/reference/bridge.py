"""Writes what python/nacue_bridge.py carries to Node.js, and scores what Node.js sends back.

`python -m reference.bridge OUT` fits a NACUE per case and writes a folder for each: `model.pt`, `state.safetensors`,
batches, expected scores and logits as in reference.run, and `case.json`. `OUT/index.json` names the folders and the
checks of reference.bridge_checks, which have passed.

`python -m reference.bridge --check OUT` loads `node_state.safetensors` in every case folder that has one and writes
its scores on the batches of the case, listed in `node_scores.json`.
"""

import argparse
import json
import logging
import sys
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from pytorch_ood.detector import NACUE, nac
from torch import Tensor, nn
from torchvision import models

from .detector import execution_order
from .run import save, settle_batch_norms

sys.path.insert(0, str(Path(__file__).parents[3] / "python"))

import nacue_bridge


@dataclass(frozen=True)
class BridgeCase:
    name: str
    build: Callable[[], nn.Module]
    layers: tuple[str, ...]
    """As the detector lists them; any order."""
    input_shape: tuple[int, ...]
    binning: str
    reduce: str = "auto"
    method: str = "auto"
    m_bins: tuple[int, ...] = (50, 20, 7)
    o_star: tuple[int, ...] = (4, 3, 6)


def resnet18() -> nn.Module:
    return models.resnet18(weights=None, num_classes=20)


def mobilenet_v3_small() -> nn.Module:
    return models.mobilenet_v3_small(weights=None, num_classes=20)


def small_vit() -> nn.Module:
    return models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=10
    )


resnet_case = partial(
    BridgeCase, build=resnet18, layers=("layer2", "layer4.1.conv1", "avgpool"), input_shape=(3, 64, 64)
)
mobilenet_case = partial(
    BridgeCase, build=mobilenet_v3_small, layers=("features.3", "features.8", "avgpool"), input_shape=(3, 64, 64)
)
vit_case = partial(
    BridgeCase,
    build=small_vit,
    layers=("encoder.layers.encoder_layer_1.ln_2", "encoder.layers.encoder_layer_2.ln_2", "encoder.ln"),
    input_shape=(3, 32, 32),
)
BACKWARDS = ("avgpool", "features.8", "features.3")

CASES = [
    resnet_case("ResNet-18, geometric", binning="geometric"),
    resnet_case("ResNet-18, uniform, traced, max-abs", binning="uniform", method="trace", reduce="max-abs"),
    resnet_case("ResNet-18, logit, sum", binning="logit", reduce="sum"),
    mobilenet_case("MobileNetV3-small, geometric, traced", binning="geometric", method="trace"),
    mobilenet_case("MobileNetV3-small, uniform", binning="uniform"),
    mobilenet_case("MobileNetV3-small, logit, layers listed backwards", binning="logit", layers=BACKWARDS),
    vit_case("ViT, geometric", binning="geometric"),
    vit_case("ViT, uniform, first-token", binning="uniform", reduce="first-token"),
    vit_case("ViT, logit, traced, mean-tokens", binning="logit", method="trace", reduce="mean-tokens"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="score the states that Node.js wrote")
    parser.add_argument("out", type=Path, help="folder of the cases")
    arguments = parser.parse_args()

    logging.disable(logging.WARNING)
    torch.set_num_threads(2)
    if arguments.check:
        for case in CASES:
            score_node_state(case, arguments.out / folder_of(case))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        write_case(case, arguments.out / folder_of(case))
        print(f"  {case.name}", flush=True)
    from .bridge_checks import run_checks

    index = {
        "torch": torch.__version__,
        "nacue": nacue_bridge.__version__,
        "cases": {case.name: folder_of(case) for case in CASES},
        "checks": run_checks(),
    }
    (arguments.out / "index.json").write_text(json.dumps(index, indent=2))


def folder_of(case: BridgeCase) -> str:
    return case.name.lower().replace(", ", "_").replace(" ", "-")


def build(case: BridgeCase) -> nn.Module:
    """The same weights in every run: the check scores on the model that was fitted."""
    torch.manual_seed(zlib.crc32(case.name.encode()))
    model = case.build().eval()
    for head in (module for module in model.modules() if isinstance(module, nn.Linear)):
        nn.init.normal_(head.weight, std=head.in_features**-0.5)  # a new ViT's head is zero: no gradient
    settle_batch_norms(model, torch.randn(8, *case.input_shape))
    return model


def write_case(case: BridgeCase, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    model = build(case)
    fit_batches = [torch.randn(size, *case.input_shape) for size in (6, 6, 3)]
    score_batches = [torch.randn(size, *case.input_shape) for size in (5, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        method = nacue_bridge.export_model(model, fit_batches[0], folder / "model.pt", case.method)
    layers = [model.get_submodule(name) for name in case.layers]
    reduce = nacue_bridge.REDUCES.get(case.reduce)
    alpha = spread_alpha(model, layers, fit_batches[0], reduce)
    detector = nacue_bridge.nacue_class(case.binning)(model, layers, case.m_bins, alpha, case.o_star, reduce)
    detector.fit(fit_batches)
    state = folder / "state.safetensors"
    nacue_bridge.save_detector(detector, state, folder / "model.pt", example=fit_batches[0])
    scores = [detector.predict(batch) for batch in score_batches]
    check_round_trip(state, model, score_batches, scores)
    manifest = {
        "model": "model.pt",
        "state": "state.safetensors",
        "method": method,
        "layers": [case.layers[index] for index in execution_order(model, layers, fit_batches[0])],
        "mBins": case.m_bins,
        "alpha": alpha,
        "oStar": case.o_star,
        "binning": case.binning,
        "reduce": case.reduce,
        "inputShape": case.input_shape,
        "numThreads": torch.get_num_threads(),
        "fit": [save(batch, folder, f"fit-{i}") for i, batch in enumerate(fit_batches)],
        "score": [
            {
                "batch": save(batch, folder, f"score-{i}"),
                "scores": save(scores[i], folder, f"scores-{i}"),
                "logits": save(model(batch).detach(), folder, f"logits-{i}"),
            }
            for i, batch in enumerate(score_batches)
        ],
    }
    (folder / "case.json").write_text(json.dumps(manifest, indent=2))


def spread_alpha(
    model: nn.Module, layers: list[nn.Module], batch: Tensor, reduce: Callable[[Tensor], Tensor] | None
) -> list[float]:
    """Per layer in execution order, the alpha that takes the larger contributions to the flanks of the sigmoid."""
    reduced: list[Tensor] = []

    def reduce_and_keep(z: Tensor) -> Tensor:
        reduced.append((reduce or nac._default_feature_reduce)(z).detach())
        return reduced[-1]

    NACUE(model, layers, feature_reduce=reduce_and_keep).fit([batch])
    sizes = [product[product != 0].abs() for product in reduced[len(layers) :]]
    return [float(f"{4.0 / size.quantile(0.8).item():.2g}") for size in sizes]


def check_round_trip(state: Path, model: nn.Module, batches: list[Tensor], scores: list[Tensor]) -> None:
    loaded = nacue_bridge.load_detector(state, model)
    for batch, expected in zip(batches, scores, strict=True):
        if not torch.equal(loaded.predict(batch), expected):
            raise AssertionError(f"{state}: the loaded detector has other scores")


def score_node_state(case: BridgeCase, folder: Path) -> None:
    state = folder / "node_state.safetensors"
    if not state.exists():
        return
    manifest = json.loads((folder / "case.json").read_text())
    detector = nacue_bridge.load_detector(state, build(case))
    scores = []
    for i, score in enumerate(manifest["score"]):
        values = torch.frombuffer(bytearray((folder / score["batch"]["file"]).read_bytes()), dtype=torch.float32)
        scores.append(save(detector.predict(values.reshape(score["batch"]["shape"])), folder, f"node-scores-{i}"))
    (folder / "node_scores.json").write_text(json.dumps({"scores": scores}, indent=2))
    print(f"  {case.name}: scored", flush=True)


if __name__ == "__main__":
    main()
