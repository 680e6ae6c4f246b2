"""Runs the authors' own NAC-UE and writes what the preset `openood` must reproduce.

`python -m reference.official --out DIR` takes the code from a checkout of BierOne/ood_coverage, named by --checkout or
NACUE_OOD_COVERAGE. Per network it writes `NAME.pt`, the batches as raw little-endian float32, and `NAME.json`: options
per layer, counts (N, M - 1) with every bin between two of the M edges, confidences (larger is more in-distribution:
minus our score) and the coverage per layer that NAC-ME averages.

`--write-fixtures DIR` writes less, and only inputs whose states lie away from the edges of the bins, so that the values
hold on every CPU.
"""

import argparse
import copy
import importlib.util
import json
import os
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from .networks import ResidualBlock
from .run import save, settle_batch_norms

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from torchscript_file import write_model

LEAST_MARGIN = 1e-5
"""The least relative distance of a state in the fixtures to an edge."""
SMALL = ((16, 13), (9, 4))
LARGE = ((64, 64, 33), (50, 1))
"""Sizes of the batches to fit and to score."""


class SmallResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layer1 = nn.Sequential(ResidualBlock(8), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(8, 12, 3, stride=2), ResidualBlock(12), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Conv2d(12, 16, 3, stride=2), ResidualBlock(16), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(self.avgpool(x).flatten(1))


class SmallMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 24)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(24, 16)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.tanh(self.fc2(self.relu(self.fc1(x)))))


def small_vit() -> nn.Module:
    model = VisionTransformer(32, 8, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=48, num_classes=6)
    nn.init.normal_(model.heads.head.weight, std=0.3)  # a new head is zero: no gradient
    return model


@dataclass(frozen=True)
class Layer:
    name: str
    m: int
    """Edges, of which the authors' code needs an even number."""
    o: int
    pooling: str
    """In words: the authors choose it by the names of network and layer."""


@dataclass(frozen=True)
class Network:
    name: str
    """The authors choose the pooling by what this contains: resnet, vit, or else none."""
    build: Callable[[], nn.Module]
    sample: tuple[int, ...]
    layers: tuple[Layer, ...]


NETWORKS = (
    Network(
        "resnet",
        SmallResNet,
        (3, 16, 16),
        (
            Layer("layer1", 20, 2, "sum over height and width"),
            Layer("layer2", 50, 3, "sum over height and width"),
            Layer("layer3", 8, 9, "sum over height and width"),
            Layer("avgpool", 100, 1, "sum over height and width"),
        ),
    ),
    Network(
        "vit",
        small_vit,
        (3, 32, 32),
        (
            Layer("encoder.layers.encoder_layer_1.ln_2", 30, 2, "sum over tokens"),
            Layer("encoder.layers.encoder_layer_2.ln_2", 64, 4, "sum over tokens"),
            Layer("encoder.ln", 50, 3, "first token"),
        ),
    ),
    Network(
        "mlp",
        SmallMlp,
        (12,),
        (Layer("relu", 40, 5, "none"), Layer("fc2", 4, 12, "none"), Layer("tanh", 50, 2, "none")),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, default=os.environ.get("NACUE_OOD_COVERAGE"))
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="folder for the live comparison")
    target.add_argument("--write-fixtures", type=Path, help="folder for the golden values")
    arguments = parser.parse_args()
    if arguments.checkout is None:
        parser.error("name a checkout of BierOne/ood_coverage: --checkout or NACUE_OOD_COVERAGE")

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(2)
    nac = import_nac(Path(arguments.checkout))
    folder = arguments.out or arguments.write_fixtures
    folder.mkdir(parents=True, exist_ok=True)
    with on_cpu():
        for network in NETWORKS:
            write_network(nac, network, folder, robust=arguments.out is None)


def import_nac(checkout: Path) -> ModuleType:
    """The package of NAC alone: the one around it imports all of OpenOOD."""
    source = checkout / "openood" / "postprocessors" / "nac" / "__init__.py"
    if not source.exists():
        sys.exit(f"{checkout} is not a checkout of BierOne/ood_coverage: {source} is missing")
    specification = importlib.util.spec_from_file_location(
        "official_nac", source, submodule_search_locations=[str(source.parent)]
    )
    package = importlib.util.module_from_spec(specification)
    sys.modules["official_nac"] = package
    specification.loader.exec_module(package)
    package.coverage.tqdm = lambda batches, **_options: batches
    return package


@contextmanager
def on_cpu() -> Iterator[None]:
    """kl_grad moves its LogSoftmax, which has no tensors, to CUDA."""
    nn.LogSoftmax.cuda = lambda self: self
    try:
        yield
    finally:
        del nn.LogSoftmax.cuda


def write_network(nac: ModuleType, network: Network, folder: Path, robust: bool) -> None:
    torch.manual_seed(zlib.crc32(network.name.encode()))
    model = network.build().eval()
    settle_batch_norms(model, torch.randn(16, *network.sample))
    alpha = spread_alpha(nac, network, model, torch.randn(16, *network.sample))
    fit_sizes, score_sizes = SMALL if robust else LARGE
    count = sum(fit_sizes) + sum(score_sizes)
    inputs = torch.randn(2 * count if robust else count, *network.sample)
    inputs[::5] *= 2.5
    if robust:
        inputs = inputs[margins(nac, network, model, inputs, alpha) > LEAST_MARGIN][:count]
        if len(inputs) < count:
            raise ValueError(f"{network.name}: only {len(inputs)} of {count} samples lie away from the edges")
    fit_batches = list(inputs[: sum(fit_sizes)].split(fit_sizes))
    score_batches = list(inputs[sum(fit_sizes) :].split(score_sizes))
    detector = fit(nac, network, model, fit_batches, alpha)
    confidences = [score(nac, network, detector, model, batch) for batch in score_batches]
    if robust:
        check_in_float64(nac, network, model, fit_batches, score_batches, alpha, detector, confidences)
    write_model(torch.jit.script(model), folder / f"{network.name}.pt")
    manifest = {
        "model": f"{network.name}.pt",
        "sample": network.sample,
        "layers": [layer.name for layer in network.layers],
        "mBins": [layer.m for layer in network.layers],
        "alpha": alpha,
        "oStar": [layer.o for layer in network.layers],
        "pooling": [layer.pooling for layer in network.layers],
        "numThreads": torch.get_num_threads(),
        "fit": [save(batch, folder, f"{network.name}-fit-{i}") for i, batch in enumerate(fit_batches)],
        "score": [
            {"batch": save(batch, folder, f"{network.name}-score-{i}"), "confidences": confidences[i].tolist()}
            for i, batch in enumerate(score_batches)
        ],
        "counts": {layer.name: counts_of(detector, layer).tolist() for layer in network.layers},
        "coverage": {layer.name: float(detector.coverage_dict[layer.name][2]) for layer in network.layers},
    }
    (folder / f"{network.name}.json").write_text(json.dumps(manifest) + "\n")
    used = [int((counts_of(detector, layer).sum(0) > 0).sum()) for layer in network.layers]
    print(f"  {network.name}: bins used per layer {used}", flush=True)


def make_detector(
    nac: ModuleType, network: Network, model: nn.Module, alpha: Sequence[float], method: str = "sigmoid(o*g_kl)"
) -> Any:
    names = [layer.name for layer in network.layers]
    example = next(model.parameters()).new_zeros(2, *network.sample)
    options = {
        layer.name: {"M": layer.m, "O": layer.o, "sig_alpha": steepness, "method": method}
        for layer, steepness in zip(network.layers, alpha, strict=True)
    }
    with nac.coverage.nethook.InstrumentedModel(model) as instrumented, torch.no_grad():
        instrumented.retain_layers(names)
        model(example)
        outputs = {name: instrumented.retained_layer(name) for name in names}
    pooling = nac.utils.StatePooling(network.name)
    sizes = {name: (pooling(z) if z.ndim > 2 else z).shape[1] for name, z in outputs.items()}
    return nac.KMNC(sizes, device="cpu", hyper=options, unpack=lambda batch, _device: batch)


def labelled(batches: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The authors' code wants labels for an accuracy that nobody uses here."""
    return [(batch, torch.zeros(len(batch), dtype=torch.int64)) for batch in batches]


def fit(nac: ModuleType, network: Network, model: nn.Module, batches: Sequence[Tensor], alpha: Sequence[float]) -> Any:
    detector = make_detector(nac, network, model, alpha)
    detector.assess(model, labelled(batches), nac.utils.StatePooling(network.name))
    detector.update()
    return detector


def score(nac: ModuleType, network: Network, detector: Any, model: nn.Module, batch: Tensor) -> Tensor:
    pooling = nac.utils.StatePooling(network.name)
    return detector.assess_ood(model, labelled([batch]), pooling, progress=False)[0]


def counts_of(detector: Any, layer: Layer) -> Tensor:
    """(N, M - 1) int64"""
    return detector.estimator_dict[layer.name].t_act.T.long()


def states(nac: ModuleType, network: Network, model: nn.Module, batch: Tensor, **options: Any) -> dict[str, Tensor]:
    """Per layer (B, N), as the authors' code passes them on to be counted."""
    detector = make_detector(nac, network, model, **options)
    captured: dict[str, Tensor] = {}
    detector.step = captured.update
    detector.assess(model, labelled([batch]), nac.utils.StatePooling(network.name))
    return captured


def spread_alpha(nac: ModuleType, network: Network, model: nn.Module, batch: Tensor) -> list[float]:
    """Per layer, the alpha that takes the larger products to the flanks of the sigmoid."""
    products = states(nac, network, model, batch, alpha=[1.0] * len(network.layers), method="o*g_kl")
    sizes = [products[layer.name].abs() for layer in network.layers]
    return [float(f"{3.0 / size[size != 0].quantile(0.8).item():.2g}") for size in sizes]


def margins(nac: ModuleType, network: Network, model: nn.Module, inputs: Tensor, alpha: Sequence[float]) -> Tensor:
    """(B,): the least relative distance of a sample's states to an edge."""
    edges = make_detector(nac, network, model, alpha).estimator_dict
    least = torch.full((len(inputs),), torch.inf, dtype=torch.float64)
    for name, state in states(nac, network, model, inputs, alpha=alpha).items():
        state = state.double()
        distance = (state[:, :, None] - edges[name].thresh[:, 0]).abs().amin(dim=2)
        relative = distance / torch.minimum(state, 1 - state)
        # A product of exactly zero gives exactly 0.5, whatever the CPU.
        least = torch.minimum(least, relative.masked_fill(state == 0.5, torch.inf).amin(dim=1))
    return least


def check_in_float64(
    nac: ModuleType,
    network: Network,
    model: nn.Module,
    fit_batches: Sequence[Tensor],
    score_batches: Sequence[Tensor],
    alpha: Sequence[float],
    detector: Any,
    confidences: Sequence[Tensor],
) -> None:
    """The fixtures hold in another precision too: no count depends on how a kernel rounds."""
    exact = copy.deepcopy(model).double()
    other = fit(nac, network, exact, [batch.double() for batch in fit_batches], alpha)
    for layer in network.layers:
        if not torch.equal(counts_of(other, layer), counts_of(detector, layer)):
            raise ValueError(f"{network.name}: the counts of {layer.name} depend on the precision")
    for batch, expected in zip(score_batches, confidences, strict=True):
        if not torch.allclose(score(nac, network, other, exact, batch.double()), expected, rtol=0, atol=1e-6):
            raise ValueError(f"{network.name}: the confidences depend on the precision")


if __name__ == "__main__":
    main()
