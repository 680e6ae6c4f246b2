"""What one parity case is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SPREAD = "spread"
"""As alpha: one value per layer, chosen by the runner so that the contributions reach most bins."""


def images(shape: Sequence[int]) -> Tensor:
    return torch.randn(shape)


def token_ids(shape: Sequence[int]) -> Tensor:
    """Whole numbers in [0, 50) as float32."""
    return torch.randint(0, 50, tuple(shape)).float()


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable[[], nn.Module]
    """Makes the eager model; the runner has set the seed."""
    layers: tuple[str, ...]
    """In execution order, because the reference pairs per-layer options with layers in that order."""
    input_shape: tuple[int, ...]
    """Without the batch."""
    exports: tuple[str, ...] = ("script", "trace")
    fit: tuple[int, ...] = (6, 6, 3)
    """Batch sizes."""
    score: tuple[int, ...] = (5, 1)
    """Batch sizes."""
    m_bins: int | tuple[int, ...] = 50
    alpha: float | tuple[float, ...] | str = SPREAD
    o_star: int | tuple[int, ...] = 4
    binning: str = "geometric"
    output: int | str | None = None
    """The element of the model's output that holds the logits, for nacue and for the wrapper around the eager model."""
    threads: int = 2
    inputs: Callable[[Sequence[int]], Tensor] = images
