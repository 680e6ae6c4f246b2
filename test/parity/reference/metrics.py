"""Writes random scores and what pytorch_ood and scikit-learn make of them, one case per line of JSON on stdout.

Arrays are base64 of little-endian float64, which holds every float32, so that infinities and the last bit survive. A value
that the library does not define is null.
"""

import argparse
import base64
import json
import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pytorch_ood.metrics import OODMetrics
from pytorch_ood.metrics import functional as F
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

RATES = (0.0, 0.5, 0.9, 0.99, 1.0)
LARGEST_CLASS = 500


def normal(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return rng.normal(shift, 1.0, n)


def few_values(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return rng.integers(0, 4, n) + float(shift > 0.7)


def rounded(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return np.round(rng.normal(shift, 1.0, n), 1)


def coverage(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    """Like NAC-UE: means of hits that saturate, many of them exactly -1."""
    return -np.minimum(rng.integers(0, 12, (n, 8)) / 5.0, 1.0).mean(axis=1) + 0.1 * (shift > 1.0)


def equal(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return np.full(n, 0.25)


def one_value_per_class(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return np.full(n, shift)


def separated(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return rng.random(n) + 10.0 * shift


def signed_zeros(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return rng.choice([-0.0, 0.0, 1.0], n) * (1.0 + shift)


def extremes(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return rng.choice([-1e37, -1e-40, 0.0, 1e-40, 1e-44, 1.0, 3e37], n)


def neighbours(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    """Values half a float32 step apart, so that float32 ties what float64 tells apart."""
    return 1.0 + rng.integers(0, 8, n) * 2.0**-24


def infinite(rng: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return rng.choice([-np.inf, -1.0, 0.5, 2.0, np.inf], n)


KINDS: tuple[Callable[[np.random.Generator, int, float], np.ndarray], ...] = (
    normal,
    few_values,
    rounded,
    coverage,
    equal,
    one_value_per_class,
    separated,
    signed_zeros,
    extremes,
    neighbours,
    infinite,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, required=True)
    cases = parser.parse_args().cases
    warnings.filterwarnings("ignore", message="AUTC is undefined")
    for seed in range(cases):
        json.dump(run_case(seed), sys.stdout, allow_nan=False)
        sys.stdout.write("\n")


def run_case(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    dtype = np.dtype(("float32", "float64")[seed // len(KINDS) % 2])
    sizes = np.exp(rng.uniform(0.0, math.log(LARGEST_CLASS + 1), 2)).astype(int)
    id_scores = kind(rng, int(sizes[0]), 0.0).astype(dtype)
    ood_scores = kind(rng, int(sizes[1]), float(rng.uniform(0.1, 2.0))).astype(dtype)
    scores = np.concatenate([id_scores, ood_scores])
    is_ood = np.repeat([0, 1], sizes)
    return {
        "name": f"{seed}, {kind.__name__}, {dtype.name}, {sizes[0]} ID, {sizes[1]} OOD",
        "dtype": dtype.name,
        "id": encoded(id_scores),
        "ood": encoded(ood_scores),
        "pytorchOod": from_pytorch_ood(scores, is_ood),
        "sklearn": from_sklearn(scores, is_ood) if np.isfinite(scores).all() else None,
    }


def from_pytorch_ood(scores: np.ndarray, is_ood: np.ndarray) -> dict[str, Any]:
    values, labels = torch.from_numpy(scores), torch.from_numpy(-is_ood)
    metrics = OODMetrics().update(values, labels).compute()
    fpr, tpr, thresholds = F.roc_curve(values, labels)
    return {
        "auroc": defined(metrics["AUROC"]),
        "auprIn": defined(metrics["AUPR-IN"]),
        "auprOut": defined(metrics["AUPR-OUT"]),
        "fpr95": defined(metrics["FPR95TPR"]),
        "autc": defined(metrics["AUTC"]),
        "fprAtTpr": {str(rate): F.fpr_at_tpr(values, labels, rate).item() for rate in RATES},
        "fprAtIdTpr": {str(rate): F.fpr_at_tpr(-values, -1 - labels, rate).item() for rate in RATES},
        "roc": {"fpr": encoded(fpr.numpy()), "tpr": encoded(tpr.numpy()), "thresholds": encoded(thresholds.numpy())},
    }


def from_sklearn(scores: np.ndarray, is_ood: np.ndarray) -> dict[str, Any]:
    """OOD first; the area under the precision-recall curve is a trapezoid here, not average_precision_score."""
    fpr, tpr, thresholds = roc_curve(is_ood, scores, drop_intermediate=False)
    return {
        "auroc": float(roc_auc_score(is_ood, scores)),
        "auprIn": area_under_pr(1 - is_ood, -scores),
        "auprOut": area_under_pr(is_ood, scores),
        "fpr95": float(fpr[np.argmax(tpr >= 0.95)]),
        "roc": {"fpr": encoded(fpr), "tpr": encoded(tpr), "thresholds": encoded(thresholds)},
    }


def area_under_pr(is_positive: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(is_positive, scores)
    return float(auc(recall, precision))


def defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def encoded(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<f8").tobytes()).decode()


if __name__ == "__main__":
    main()
