"""Runs the reference on the cases and writes, per case, the exported models, the batches and the results.

A case becomes a folder with `case.json` (options, file names, shapes), one `.pt` per export method, and raw
little-endian arrays: float32 for batches, scores and logits, int64 for counts.
"""

import argparse
import json
import logging
import re
import time
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .case import SPREAD, Case
from .cases import CASES
from .detector import SelectLogits, contributions, execution_order, run_reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    parser.add_argument("names", nargs="*", help="only cases whose name contains one of these; all by default")
    arguments = parser.parse_args()

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    chosen = [case for case in CASES if not arguments.names or any(part in case.name for part in arguments.names)]
    if not chosen:
        parser.error(f"no case matches {arguments.names}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(chosen, 1):
        start = time.perf_counter()
        try:
            used = run_case(case, arguments.out / folder_of(case))
        except Exception as error:
            raise RuntimeError(f"the reference fails on the case {case.name!r}") from error
        seconds = time.perf_counter() - start
        print(f"  {number:2}/{len(chosen)} {case.name}: bins used per layer {used}, {seconds:.1f} s", flush=True)
    index = {"torch": torch.__version__, "cases": {case.name: folder_of(case) for case in chosen}}
    (arguments.out / "index.json").write_text(json.dumps(index, indent=2))


def folder_of(case: Case) -> str:
    return re.sub("[^a-z0-9_.]+", "-", case.name.lower()).strip("-")


def run_case(case: Case, folder: Path) -> list[int]:
    """Writes the folder of one case; returns how many bins each layer filled, which says how sharp the case is."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(zlib.crc32(case.name.encode()))
    torch.set_num_threads(case.threads)
    model = case.build().eval()
    settle_batch_norms(model, case.inputs((8, *case.input_shape)))
    fit_batches = [case.inputs((size, *case.input_shape)) for size in case.fit]
    score_batches = [case.inputs((size, *case.input_shape)) for size in case.score]
    for method in case.exports:
        export(model, method, fit_batches[0], folder / f"{method}.pt")

    layers = [model.get_submodule(name) for name in case.layers]
    returns_logits = model if case.output is None else SelectLogits(model, case.output)
    order = execution_order(returns_logits, layers, fit_batches[0])
    alpha = spread_alpha(returns_logits, layers, fit_batches[0]) if case.alpha == SPREAD else case.alpha
    per_layer = any(isinstance(option, (tuple, list)) for option in (case.m_bins, alpha, case.o_star))
    if sorted(order) != list(range(len(layers))) or (per_layer and order != sorted(order)):
        raise ValueError(f"{case.name}: layers run in the order {order}")
    results = run_reference(
        returns_logits, layers, fit_batches, score_batches, case.m_bins, alpha, case.o_star, case.binning
    )
    if not all(torch.isfinite(logits).all() for logits in results.logits):
        raise ValueError(f"{case.name}: the logits are not finite")

    manifest: dict[str, Any] = {
        "exports": case.exports,
        "layers": case.layers,
        "inputShape": case.input_shape,
        "mBins": case.m_bins,
        "alpha": alpha,
        "oStar": case.o_star,
        "binning": case.binning,
        "output": case.output,
        "numThreads": torch.get_num_threads(),
        "fit": [save(batch, folder, f"fit-{i}") for i, batch in enumerate(fit_batches)],
        "score": [
            {
                "batch": save(batch, folder, f"score-{i}"),
                "scores": save(results.scores[i], folder, f"scores-{i}"),
                "logits": save(results.logits[i], folder, f"logits-{i}"),
            }
            for i, batch in enumerate(score_batches)
        ],
        "counts": {
            case.layers[index]: save(counts, folder, f"counts-{index}")
            for index, counts in zip(order, results.counts, strict=True)
        },
    }
    (folder / "case.json").write_text(json.dumps(manifest, indent=2))
    return [int((counts.sum(dim=0) > 0).sum()) for counts in results.counts]


def settle_batch_norms(model: nn.Module, batch: Tensor) -> None:
    """Gives every batch norm the statistics of one batch, in place of the zeros and ones it starts from."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = None
    with torch.no_grad():
        model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def export(model: nn.Module, method: str, batch: Tensor, path: Path) -> None:
    if method == "script":
        exported = torch.jit.script(model)
    else:
        exported = torch.jit.trace(model, batch, check_trace=False, strict=False)
    torch.jit.save(exported, path)


def spread_alpha(model: nn.Module, layers: Sequence[nn.Module], batch: Tensor) -> list[float]:
    """Per layer, the alpha that takes the larger contributions to the flanks of the sigmoid."""
    alphas = []
    for contribution in contributions(model, layers, batch):
        sizes = contribution.abs()[contribution != 0].flatten()
        large = sizes.sort().values[int(0.8 * len(sizes))].item()
        alphas.append(float(f"{4.0 / large:.2g}"))
    return alphas


def save(tensor: Tensor, folder: Path, name: str) -> dict[str, Any]:
    """Writes the values in C order; returns where they lie and their shape."""
    array = tensor.numpy()
    array.astype(array.dtype.newbyteorder("<"), order="C").tofile(folder / f"{name}.bin")
    return {"file": f"{name}.bin", "shape": list(tensor.shape)}


if __name__ == "__main__":
    main()
