"""The live reference: pytorch_ood.detector.NACUE on an eager model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from pytorch_ood.detector import NACUE, nac
from torch import Tensor, nn

BIN_INDICES = {
    "geometric": nac._bin_indices_geometric,
    "uniform": nac._bin_indices,
    "logit": nac._bin_indices_logit,
}


@dataclass
class Results:
    counts: list[Tensor]
    """Per layer in execution order, int64 of shape (N, M)."""
    scores: list[Tensor]
    """Per scored batch, float32 of shape (B,)."""
    logits: list[Tensor]
    """Per scored batch, float32 of shape (B, C)."""


class SelectLogits(nn.Module):
    """Gives the reference, which takes models that return logits, the chosen element of a tuple or dict output."""

    def __init__(self, model: nn.Module, output: int | str):
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        out = self.model(x)
        return (
            getattr(out, self.output) if isinstance(out, tuple) and isinstance(self.output, str) else out[self.output]
        )


def run_reference(
    model: nn.Module,
    layers: Sequence[nn.Module],
    fit_batches: Sequence[Tensor],
    score_batches: Sequence[Tensor],
    m_bins: int | Sequence[int],
    alpha: float | Sequence[float],
    o_star: int | Sequence[int],
    binning: str,
) -> Results:
    """Fits and scores; `layers` is in the order the case lists them."""
    detector = NACUE(model, layers, m_bins=m_bins, alpha=alpha, o_star=o_star)
    logits: list[Tensor] = []
    with _binning(binning):
        detector.fit(list(fit_batches))
        hook = model.register_forward_hook(lambda _module, _inputs, output: logits.append(output.detach().clone()))
        scores = [detector.predict(batch) for batch in score_batches]
        hook.remove()
    return Results([stats.counts for stats in detector._stats], scores, logits)


def contributions(model: nn.Module, layers: Sequence[nn.Module], batch: Tensor) -> list[Tensor]:
    """The reduced z * gradient of each layer in execution order, as the reference computes it in `fit`."""
    reduced: list[Tensor] = []

    def reduce_and_keep(z: Tensor) -> Tensor:
        reduced.append(nac._default_feature_reduce(z).detach())
        return reduced[-1]

    NACUE(model, layers, feature_reduce=reduce_and_keep).fit([batch])
    return reduced[len(layers) :]


@contextmanager
def _binning(name: str) -> Iterator[None]:
    """The reference always bins geometrically; its module holds the other two rules, unused."""
    nac._bin_indices_geometric = BIN_INDICES[name]
    try:
        yield
    finally:
        nac._bin_indices_geometric = BIN_INDICES["geometric"]


def execution_order(model: nn.Module, layers: Sequence[nn.Module], batch: Tensor) -> list[int]:
    """Indices into `layers` in the order in which they run."""
    order: list[int] = []
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, _output, index=index: order.append(index))
        for index, layer in enumerate(layers)
    ]
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    return order
