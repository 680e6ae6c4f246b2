"""Carries a classifier and a fitted pytorch_ood.detector.NACUE from Python to Node.js and back.

    from nacue_bridge import export_model, load_detector, save_detector

    export_model(model, example, "model.pt")                      # TorchScript, for NACUE.create(...)
    save_detector(detector, "fit.safetensors", "model.pt")        # for NACUE.restore("model.pt", "fit.safetensors")
    detector = load_detector("fit.safetensors", model)            # what detector.save(...) wrote in Node.js

The file is described in docs/state-format.md. Needs torch, safetensors and, for detectors, pytorch-ood 0.4.0.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

if TYPE_CHECKING:
    from pytorch_ood.detector import NACUE

__version__ = "0.3.0"
__all__ = ["REDUCES", "SelectLogits", "export_model", "load_detector", "nacue_class", "save_detector"]

LARGEST_RELATIVE_DEVIATION = 1e-4
LARGEST_SAFE_INTEGER = 2**53 - 1
PRESETS = ("pytorch-ood", "openood")
BINNINGS = ("geometric", "uniform", "logit")
AGGREGATIONS = ("sum", "mean")
PRECISIONS = ("float32", "tf32", "bfloat16")
PLAIN_KEYS = (
    "preset",
    "binning",
    "aggregation",
    "mode",
    "precision",
    "model_sha256",
    "libtorch_version",
    "nacue_version",
)


# Reductions, the product z * gradient of shape (B, ...) -> (B, N).


def mean(x: Tensor) -> Tensor:
    return x if x.ndim <= 2 else x.mean(dim=tuple(range(2, x.ndim)))


def sum_up(x: Tensor) -> Tensor:
    return x if x.ndim <= 2 else x.sum(dim=tuple(range(2, x.ndim)))


def max_abs(x: Tensor) -> Tensor:
    return x if x.ndim <= 2 else x.abs().amax(dim=tuple(range(2, x.ndim)))


def flatten(x: Tensor) -> Tensor:
    return x.flatten(1)


def first_token(x: Tensor) -> Tensor:
    return _tokens(x, "first-token")[:, 0]


def mean_tokens(x: Tensor) -> Tensor:
    return _tokens(x, "mean-tokens").mean(dim=1)


def channels_last(x: Tensor) -> Tensor:
    return x if x.ndim <= 2 else x.mean(dim=tuple(range(1, x.ndim - 1)))


def _tokens(x: Tensor, reduce: str) -> Tensor:
    if x.ndim != 3:
        raise ValueError(f"{reduce} needs a layer output of shape (B, T, C), received {tuple(x.shape)}")
    return x


REDUCES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": mean,
    "sum": sum_up,
    "max-abs": max_abs,
    "flatten": flatten,
    "first-token": first_token,
    "mean-tokens": mean_tokens,
    "channels-last": channels_last,
}
"""For `feature_reduce` of NACUE, by the names that `featureReduce` has in Node.js; its default is "auto" there."""


class SelectLogits(nn.Module):
    """Makes a model that returns a tuple or dict return one element of it, as NACUE needs."""

    def __init__(self, model: nn.Module, output: int | str):
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        result = self.model(x)
        if isinstance(self.output, str) and not isinstance(result, Mapping):
            return getattr(result, self.output)
        return result[self.output]


def export_model(model: nn.Module, example: Tensor, path: str | os.PathLike[str], method: str = "auto") -> str:
    """Writes a classifier as TorchScript that nacue can tap; returns the method that was used, "script" or "trace".

    :param example: one batch, on the model's device; the file is read back and must give the model's logits on it
    :param method: "auto" scripts the model and, where that fails, warns and traces it
    :raises RuntimeError: the model cannot be exported, or the exported one lost submodules or has other logits
    """
    if method not in ("auto", "script", "trace"):
        raise ValueError(f"method must be 'auto', 'script' or 'trace', received {method!r}")
    _check_example(example)
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("the model is TorchScript already: write it with torch.jit.save, without freezing it")
    model = _unwrapped(model)
    if any(module.training for module in model.modules()):
        warnings.warn("the model is in training mode: it is exported in evaluation mode", stacklevel=2)
    with _evaluation_mode(model), _atomic(path) as temporary:
        leaves = {name: module for name, module in model.named_modules() if name and not any(module.children())}
        eager = _call(model, list(leaves.values()), example)
        running = {list(leaves)[index] for index, _ in eager.calls}
        eager.calls.clear()
        if method == "auto":
            try:
                _export_as("script", model, example, temporary, eager.result, running)
                return "script"
            except RuntimeError as error:
                warnings.warn(f"the model is traced, as {error}", stacklevel=2)
                method = "trace"
        exported = _export_as(method, model, example, temporary, eager.result, running)
        if method == "trace":
            _try_other_batch_size(model, exported, example)
    return method


def _export_as(
    method: str, model: nn.Module, example: Tensor, path: Path, expected: Any, running: set[str]
) -> torch.jit.ScriptModule:
    """Parameters stay unfrozen and gradients on: without, PyTorch would record fused layers in place of submodules."""
    with _deprecation_of_jit_silenced(), torch.enable_grad():
        try:
            if method == "script":
                exported = torch.jit.script(model)
            else:
                exported = torch.jit.trace(model, example.clone(), check_trace=False, strict=False)
            torch.jit.save(exported, path)
            exported = torch.jit.load(path)
            actual = exported(example.clone())
        except Exception as error:
            raise RuntimeError(f"torch.jit.{method} cannot export it: {_first_line(error)}") from error
    missing = sorted(running - {name for name, _ in exported.named_modules(remove_duplicate=False)})
    if missing:
        raise RuntimeError(f"torch.jit.{method} lost the submodules {', '.join(missing)}")
    deviation = _deviation(actual, expected)
    if deviation > LARGEST_RELATIVE_DEVIATION:
        raise RuntimeError(f"torch.jit.{method} gives other logits: the relative deviation is {deviation:.2g}")
    if deviation > 0:
        warnings.warn(f"the exported model's logits deviate by up to {deviation:.2g}, relative", stacklevel=3)
    return exported


def _try_other_batch_size(model: nn.Module, exported: torch.jit.ScriptModule, example: Tensor) -> None:
    larger = torch.cat([example, example[:1]])
    expected = _call(model, [], larger).result
    try:
        with torch.enable_grad():
            deviation = _deviation(exported(larger.clone()), expected)
        problem = f"the relative deviation is {deviation:.2g}"
    except RuntimeError as error:
        deviation, problem = math.inf, _first_line(error)
    if deviation > LARGEST_RELATIVE_DEVIATION:
        fixed = f"the traced model has the batch size {len(example)} baked in"
        warnings.warn(f"{fixed}; with {len(larger)} samples it fails: {problem}", stacklevel=3)


def _deviation(actual: Any, expected: Any) -> float:
    """The largest over all tensors of the result, relative to its largest value; infinite for another structure."""
    tensors, others = _tensors(expected), _tensors(actual)
    if not tensors:
        raise RuntimeError("the model returns no tensor")
    if isinstance(expected, Tensor) and "output[0]" in others:
        # A scripted GoogLeNet returns a named tuple, the eager one its first element.
        others = {"output": others["output[0]"]}
    if tensors.keys() != others.keys():
        return math.inf
    return max(_tensor_deviation(others[name], tensor) for name, tensor in tensors.items())


def _tensor_deviation(actual: Tensor, expected: Tensor) -> float:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return math.inf
    if torch.equal(actual, expected) or expected.numel() == 0:
        return 0.0
    if not torch.equal(actual.isfinite(), expected.isfinite()):
        return math.inf
    actual, expected = (x.double().nan_to_num(0.0, 0.0, 0.0) for x in (actual, expected))
    return ((actual - expected).abs().max() / expected.abs().max()).nan_to_num(0.0).item()


def _tensors(value: Any, name: str = "output") -> dict[str, Tensor]:
    """The tensors in nested tuples, lists and mappings by their place: a named tuple equals a tuple."""
    if isinstance(value, Tensor):
        return {name: value.detach()}
    if isinstance(value, Mapping):
        items: Any = value.items()
    else:
        items = enumerate(value) if isinstance(value, (tuple, list)) else ()
    return {place: x for key, item in items for place, x in _tensors(item, f"{name}[{key!r}]").items()}


@dataclass
class _Forward:
    result: Any
    calls: list[tuple[int, Any]]
    """For each call of a watched module, in the order of the calls: its index and its output."""


def _call(model: nn.Module, watched: Sequence[nn.Module], batch: Tensor) -> _Forward:
    """Runs the model as `fit` does: evaluation mode, gradients on."""
    forward = _Forward(None, [])
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, i=i: forward.calls.append((i, output)))
        for i, module in enumerate(watched)
    ]
    try:
        with _evaluation_mode(model), torch.enable_grad():
            forward.result = model(batch.clone())
    finally:
        for hook in hooks:
            hook.remove()
    return forward


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _unwrapped(model: nn.Module) -> nn.Module:
    """Without DataParallel and torch.compile, whose prefix an exported model does not have."""
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return _unwrapped(model.module)
    return _unwrapped(model._orig_mod) if isinstance(getattr(model, "_orig_mod", None), nn.Module) else model


def _check_example(example: Any) -> None:
    if not isinstance(example, Tensor) or example.ndim == 0 or len(example) == 0:
        raise ValueError("example must be a tensor, a batch of at least one sample")


@contextmanager
def _deprecation_of_jit_silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", category)
        yield


def _first_line(error: Exception) -> str:
    lines = (line.strip(" :") for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:300]


@lru_cache
def nacue_class(binning: str) -> type[NACUE]:
    """NACUE with the binning "geometric", its own, or "uniform" or "logit", which pytorch-ood holds but never calls."""
    from pytorch_ood.detector import NACUE, nac

    if binning not in BINNINGS:
        raise ValueError(f"binning must be one of {', '.join(BINNINGS)}, received {binning!r}")
    rules = {"uniform": nac._bin_indices, "logit": nac._bin_indices_logit}
    names = {**nac.__dict__, "_bin_indices_geometric": rules.get(binning, nac._bin_indices_geometric)}

    def rebound(method: types.FunctionType) -> types.FunctionType:
        return types.FunctionType(method.__code__, names, method.__name__, method.__defaults__, method.__closure__)

    members = {"__doc__": f"NACUE with {binning} bins.", "__module__": __name__, "binning": binning}
    methods = {"fit": rebound(NACUE.fit), "predict": rebound(NACUE.predict)}
    return type(NACUE)(f"{binning.capitalize()}NACUE", (NACUE,), members | methods)


def _edges(binning: str, m_bins: int) -> Tensor:
    """(E,) float32 on the sigmoid's axis; the geometric ones by the operators of the reference."""
    if binning == "uniform":
        return torch.linspace(0, 1, m_bins + 1, dtype=torch.float32)
    if binning == "logit":
        return torch.sigmoid(torch.linspace(-10, 10, m_bins + 1, dtype=torch.float32))
    ends = (torch.log10(torch.tensor(end, dtype=torch.float32)) for end in (1e-6, 0.5))
    left = torch.logspace(*ends, steps=m_bins // 2 + 1, dtype=torch.float32)
    return torch.cat([left, (1.0 - left.flip(0))[1:]])


def save_detector(
    detector: NACUE,
    path: str | os.PathLike[str],
    model_path: str | os.PathLike[str] | None = None,
    *,
    example: Tensor | None = None,
    model: nn.Module | None = None,
    output: int | str | None = None,
    reduce: str | None = None,
    binning: str | None = None,
) -> None:
    """Writes a fitted detector for `NACUE.restore` of Node.js.

    :param model_path: the exported model; its hash goes into the file. It must have the detector's layers and the
        model's weights and, with `example`, give its logits
    :param example: one batch, to find the order in which the layers run. Without it they must be listed as the model
        defines them, a module after its submodules, and that order is checked against the last batch of `fit` or
        `predict`. A detector that was pickled since, or layers without trainable parameters, leave nothing to check:
        pass it wherever the model may run its layers in another order
    :param model: what was exported, where the detector's own model is a wrapper around it
    :param output: which element of the exported model's output holds the logits; known for a `SelectLogits`
    :param reduce: the name in `REDUCES` of a `feature_reduce` that is a function of your own
    :param binning: only for a detector whose class is not from `nacue_class`
    """
    from pytorch_ood.detector import NACUE

    if not isinstance(detector, NACUE):
        raise TypeError(f"detector must be a pytorch_ood.detector.NACUE, received {type(detector).__name__}")
    if not detector._fitted or len(detector._stats) != len(detector.layers):
        raise ValueError("the detector is not fitted: call fit with at least one batch")
    inner = _unwrapped(detector.model)
    if model is None and isinstance(inner, SelectLogits):
        inner, output = _unwrapped(inner.model), inner.output if output is None else output
    inner = inner if model is None else _unwrapped(model)
    names = _layer_names(inner, detector.layers)
    order = _execution_order(detector, inner, names, example)
    if model_path is not None:
        exported = Path(model_path).read_bytes()
        _check_export(exported, model_path, inner, names, example)
    stats = detector._stats
    state = {
        "preset": "pytorch-ood",
        "binning": _binning_of(detector, binning),
        "aggregation": "sum",
        "layers": [names[index] for index in order],
        "execution_order": list(range(len(order))),
        "m_bins": _numbers("m_bins", [layer.m for layer in stats]),
        "alpha": _numbers("alpha", detector.alpha),
        "o_star": _numbers("o_star", [layer.o_star for layer in stats]),
        "reduce": [_reduce_name(detector.feature_reduce, reduce)] * len(order),
        "layer_weights": [1] * len(order),
        "samples": _samples_of([layer.counts for layer in stats]),
        "libtorch_version": torch.__version__.partition("+")[0],
        "nacue_version": __version__,
    }
    if example is not None:
        state["input_shape"] = list(example.shape[1:])
    if output is not None:
        state["output"] = output
    if model_path is not None:
        state["model_sha256"] = hashlib.sha256(exported).hexdigest()
    _check_state(state)
    counts = {f"counts.{name}": layer.counts for name, layer in zip(state["layers"], stats)}
    edges = {f"edges.{name}": _edges(state["binning"], m) for name, m in zip(state["layers"], state["m_bins"])}
    with _atomic(path) as temporary:
        temporary.write_bytes(_safetensors(state, counts | edges))


def load_detector(
    path: str | os.PathLike[str],
    model: nn.Module,
    device: str | torch.device | None = None,
    *,
    example: Tensor | None = None,
) -> NACUE:
    """Reads a state file and returns a fitted NACUE on the eager model, ready to score.

    :param device: moves the model there; by default it stays where it is
    :param example: one batch to try the layers on; by default one of zeros, where the file knows the shape. Where it
        does not, as save_detector wrote it without an example, nothing shows whether this model runs its layers in
        the file's order and with as many neurons: pass one
    :raises ValueError: no state file, one that pytorch-ood cannot express, or one of another model
    """
    from pytorch_ood.detector import NACUE, nac

    state, counts = _read_state(path)
    order = state["execution_order"]
    names, m_bins, alpha, o_star = ([state[key][i] for i in order] for key in ("layers", "m_bins", "alpha", "o_star"))
    inner = _unwrapped(model)
    present = dict(inner.named_modules(remove_duplicate=False))
    missing = [name for name in names if name not in present]
    if missing:
        raise ValueError(f"the model has no layer {missing[0]!r}, which {path} was fitted on")
    if "output" in state:
        model = SelectLogits(model, state["output"])
    reduce = REDUCES.get(state["reduce"][0])
    kind = NACUE if state["binning"] == "geometric" else nacue_class(state["binning"])
    detector = kind(model, [present[name] for name in names], m_bins, alpha, o_star, reduce, device)
    if device is not None:
        detector.to(device)
    detector._stats = [nac._LayerStats(m=m, o_star=o, counts=counts[name]) for name, m, o in zip(names, m_bins, o_star)]
    detector._fitted = True
    _check_fit(detector, names, example, state.get("input_shape"))
    return detector


def _layer_names(model: nn.Module, layers: Sequence[nn.Module]) -> list[str]:
    found = {id(module): name for name, module in model.named_modules()}
    for index, layer in enumerate(layers):
        if not found.get(id(layer)):
            hint = "" if layer is model else "; if detector.model wraps the exported model, pass that as model="
            raise ValueError(f"layers[{index}] ({type(layer).__name__}) is not a submodule of the model{hint}")
    return [found[id(layer)] for layer in layers]


def _execution_order(detector: NACUE, model: nn.Module, names: list[str], example: Tensor | None) -> list[int]:
    """Indices into `detector.layers`: NACUE pairs the i-th counts, bins, alpha and O* with the i-th layer that RUNS."""
    if len(set(names)) < len(names):
        raise ValueError("the detector lists a layer twice, which nacue cannot express")
    if example is not None:
        _check_example(example)
        return _layer_calls(detector, names, example)[0]
    finishing = {id(module): place for place, module in enumerate(_as_they_finish(model, set()))}
    places = [finishing[id(layer)] for layer in detector.layers]
    if places != sorted(places):
        raise ValueError(
            "layers are not listed in the order in which the model defines them, a module after its submodules: "
            "pass one batch as example=, to find the order in which they run"
        )
    _check_order_of_last_batch(detector, names)
    return list(range(len(names)))


def _as_they_finish(module: nn.Module, seen: set[nn.Module]) -> Iterator[nn.Module]:
    """In the order of their definition, but a module after its submodules, which return before it does."""
    if module not in seen:
        seen.add(module)
        for child in module.children():
            yield from _as_they_finish(child, seen)
        yield module


def _check_order_of_last_batch(detector: NACUE, names: list[str]) -> None:
    """By the graph of the outputs that `fit` or `predict` captured, which outlives the backward pass.

    An output depends on the parameters of its own layer and not on those of a later one. Tied weights and additions in
    place can make a right order look wrong, for which `example` is the remedy.
    """
    outputs, layers = detector._captured, detector.layers
    if len(outputs) != len(layers) or any(output.grad_fn is None for output in outputs):
        return
    reached = [_parameters_behind(output) for output in outputs]
    used = set().union(*reached)
    own = [used.intersection(layer.parameters()) for layer in layers]
    for i, name in enumerate(names):
        later = (j for j in range(i + 1, len(layers)) if own[j] and own[j] <= reached[i])
        overtaken = any(layers[i] not in set(layers[j].modules()) for j in later)
        if overtaken or not own[i] <= reached[i]:
            raise ValueError(
                f"the last batch does not confirm that {name!r} runs as layer {i + 1} of {len(names)}, as listed: "
                "pass one batch as example=, to find the order in which they run"
            )


def _parameters_behind(output: Tensor) -> set[Tensor]:
    nodes: list[Any] = [output.grad_fn]
    seen, parameters = set(nodes), set()
    while nodes:
        node = nodes.pop()
        if type(node).__name__ == "AccumulateGrad":
            parameters.add(node.variable)
        new = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= new
        nodes += new
    return parameters


def _layer_calls(detector: NACUE, names: list[str], batch: Tensor) -> tuple[list[int], list[int]]:
    """Indices into `detector.layers` in the order in which they run, and the number of neurons of each."""
    batch = batch if detector.device is None else batch.to(detector.device)
    try:
        calls = _call(_unwrapped(detector.model), detector.layers, batch).calls
    except RuntimeError as error:
        raise ValueError(f"the model fails on a batch of shape {tuple(batch.shape)}: {_first_line(error)}") from error
    order = [index for index, _ in calls]
    for index, name in enumerate(names):
        if order.count(index) != 1:
            raise ValueError(f"the layer {name!r} runs {order.count(index)} times in a forward pass, it must run once")
    not_tensor = next((names[index] for index, output in calls if not isinstance(output, Tensor)), None)
    if not_tensor is not None:
        raise ValueError(f"the output of the layer {not_tensor!r} is not one tensor")
    return order, [detector.feature_reduce(output).shape[1] for _, output in calls]


def _check_fit(detector: NACUE, names: list[str], example: Tensor | None, shape: list[int] | None) -> None:
    """NACUE itself would score with the counts of other neurons where the model has fewer than the file."""
    if example is None and shape is None:
        return
    batch = torch.zeros(1, *shape) if example is None else example
    order, neurons = _layer_calls(detector, names, batch)
    if order != sorted(order):
        raise ValueError(f"the model runs its layers in the order {', '.join(names[index] for index in order)}")
    for name, stats, size in zip(names, detector._stats, neurons):
        if len(stats.counts) != size:
            raise ValueError(f"the layer {name!r} has {size} neurons, the file {len(stats.counts)}")


def _check_export(
    content: bytes, path: str | os.PathLike[str], model: nn.Module, names: list[str], example: Tensor | None
) -> None:
    """Node.js scores with the exported model's weights, the counts belong to this one's."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with _deprecation_of_jit_silenced():
            exported = torch.jit.load(io.BytesIO(content), map_location=device)
    except RuntimeError as error:
        raise ValueError(f"{path} is not a TorchScript model: {_first_line(error)}") from error
    present = dict(exported.named_modules(remove_duplicate=False))
    missing = [name for name in names if name not in present]
    if missing:
        raise ValueError(f"{path} has no layer {missing[0]!r}: was another model exported?")
    tensors = _parameters_and_buffers(model)
    for name, tensor in exported.state_dict().items():
        if name not in tensors:
            raise ValueError(f"{path} has a tensor {name!r}, the model has none: was another model exported?")
        if tensor.dtype != tensors[name].dtype or not torch.equal(tensor.cpu(), tensors[name].cpu()):
            raise ValueError(f"{path} has another {name!r} than the model: export the model as it was fitted")
    if example is not None:
        _check_exported_logits(exported, path, model, example.to(device))


def _parameters_and_buffers(model: nn.Module) -> dict[str, Tensor]:
    """With the buffers that a state_dict leaves out, as TorchScript keeps them."""
    tensors = dict(model.named_parameters(remove_duplicate=False))
    return {name: x.detach() for name, x in (tensors | dict(model.named_buffers(remove_duplicate=False))).items()}


def _check_exported_logits(
    exported: torch.jit.ScriptModule, path: str | os.PathLike[str], model: nn.Module, batch: Tensor
) -> None:
    try:
        deviation = _deviation(_call(exported, [], batch).result, _call(model, [], batch).result)
    except RuntimeError as error:
        raise ValueError(
            f"{path} cannot be tried on a batch of shape {tuple(batch.shape)}: {_first_line(error)}"
        ) from error
    if deviation > LARGEST_RELATIVE_DEVIATION:
        raise ValueError(f"{path} gives other logits than the model: the relative deviation is {deviation:.2g}")


def _binning_of(detector: NACUE, binning: str | None) -> str:
    own = getattr(type(detector), "binning", None)
    if None not in (own, binning) and own != binning:
        raise ValueError(f"binning={binning!r} contradicts the detector's class, which has {own} bins")
    return own or binning or "geometric"


def _reduce_name(function: Callable[[Tensor], Tensor], reduce: str | None) -> str:
    from pytorch_ood.detector import nac

    known = {nac._default_feature_reduce: "auto", **{value: name for name, value in REDUCES.items()}}
    own = known.get(function)
    if own is None and reduce is None:
        raise ValueError(f"feature_reduce is a function of your own: name it, reduce= one of {', '.join(REDUCES)}")
    if None not in (own, reduce) and own != reduce:
        raise ValueError(f"reduce={reduce!r} contradicts the detector's feature_reduce, {own}")
    return own or str(reduce)


def _samples_of(counts: Sequence[Tensor]) -> int:
    totals = torch.cat([layer.sum(dim=1) for layer in counts])
    samples = int(totals[0]) if totals.numel() else 0
    if not bool((totals == samples).all()):
        raise ValueError("the neurons were not all counted equally often: the detector's counts are damaged")
    return samples


def _numbers(key: str, values: Any) -> list[int | float]:
    """As pytorch-ood, or whoever set `detector.alpha` since, left them: Python's, NumPy's or tensors of one element."""
    try:
        return [_number(key, value) for value in values]
    except TypeError:
        raise ValueError(f"{key} must hold one number per layer, received {str(values)[:80]!r}") from None


def _number(key: str, value: Any) -> int | float:
    with suppress(AttributeError, RuntimeError, ValueError):
        value = value.item()
    if not _is_number(value):
        raise ValueError(f"{key} must hold finite numbers, received {str(value)[:80]!r}")
    return _shortest(float(value))


def _shortest(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) <= LARGEST_SAFE_INTEGER else number


def _safetensors(state: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """By hand, as the library orders tensors by name and metadata by chance: one state has one file."""
    metadata = {"format": "nacue", "format_version": "1"}
    metadata |= {
        key: value if key in PLAIN_KEYS else json.dumps(value, ensure_ascii=False) for key, value in state.items()
    }
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    blocks, end = [], 0
    for name, tensor in tensors.items():
        array = tensor.cpu().contiguous().numpy()
        block = array.astype(array.dtype.newbyteorder("<")).tobytes()
        kind = "I64" if tensor.dtype == torch.int64 else "F32"
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [end, end + len(block)]}
        end += len(block)
        blocks.append(block)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *blocks])


def _read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """State and counts by layer; refuses what the format does not allow or pytorch-ood cannot express."""
    with open(path, "rb"):
        pass  # a file that is not there is a FileNotFoundError
    try:
        with safe_open(path, "pt") as file:
            state = _parse_metadata(file.metadata() or {})
            _check_expressible(state)
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {_first_line(error)}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    counts = {}
    for name, m_bins in zip(state["layers"], state["m_bins"]):
        counts[name] = tensors.pop(f"counts.{name}", None)
        _check_counts(f"{path}: counts.{name}", counts[name], m_bins, state["samples"])
        _check_edges(f"{path}: edges.{name}", tensors.pop(f"edges.{name}", None), _edges(state["binning"], m_bins))
    if tensors:
        raise ValueError(f"{path}: the tensor {min(tensors)!r} belongs to no layer")
    return state, counts


def _parse_metadata(metadata: dict[str, str]) -> dict[str, Any]:
    if metadata.get("format") != "nacue":
        raise ValueError("not a state file of nacue")
    if metadata.get("format_version") != "1":
        raise ValueError(f"the format version is {metadata.get('format_version')!r}, this reads version 1")
    state = {}
    for key, text in metadata.items():
        if key in ("format", "format_version"):
            continue
        try:
            state[key] = text if key in PLAIN_KEYS else json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            raise ValueError(f"the metadata {key} is no JSON") from None
    _check_state(state)
    return state


def _check_expressible(state: dict[str, Any]) -> None:
    """What pytorch-ood has no words for."""
    if "mode" in state:
        raise ValueError(
            f"it was fitted in fast mode ({state['precision']}), whose counts are not those of pytorch-ood: "
            "fit in mode 'parity' and save that"
        )
    if "openood" in (state["preset"], state["binning"]) or state["aggregation"] != "sum":
        raise ValueError("pytorch-ood has neither the preset or binning openood nor the aggregation mean")
    if any(weight != 1 for weight in state["layer_weights"]):
        raise ValueError("pytorch-ood has no layer weights")
    if len(set(state["reduce"])) > 1:
        raise ValueError("pytorch-ood has one reduce for all layers, this fit has several")
    if state["reduce"][0].startswith("module:"):
        raise ValueError("a reduce that is a TorchScript module cannot be found by its hash")
    address = next((name for name in state["layers"] if re.search(r"[#\[]", name)), None)
    if address is not None:
        raise ValueError(f"pytorch-ood cannot watch {address!r}: one call or one element of a layer's output")


def _check_counts(what: str, counts: Tensor | None, m_bins: int, samples: int) -> None:
    if (
        counts is None
        or counts.dtype != torch.int64
        or counts.ndim != 2
        or counts.shape[1] != m_bins
        or not len(counts)
    ):
        raise ValueError(f"{what} must be an int64 tensor of shape (N, {m_bins})")
    # In double, where a sum beyond 2^53 cannot wrap around to `samples`.
    if bool((counts < 0).any()) or bool((counts.double().sum(dim=1) != samples).any()):
        raise ValueError(f"{what} has a negative count or a row that does not add up to {samples} samples")


def _check_edges(what: str, edges: Tensor | None, expected: Tensor) -> None:
    if edges is None or edges.dtype != torch.float32 or edges.shape != expected.shape:
        raise ValueError(f"{what} must be a float32 tensor of shape ({len(expected)},)")
    if not torch.allclose(edges, expected, rtol=1e-4, atol=1e-6):
        raise ValueError(f"{what} are not the edges of these bins")


def _is_whole(value: Any, least: int, most: int = LARGEST_SAFE_INTEGER) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_list(value: Any, check: Callable[[Any], bool], length: int | None = None) -> bool:
    return isinstance(value, list) and (length is None or len(value) == length) and all(map(check, value))


def _is_reduce(value: Any) -> bool:
    return isinstance(value, str) and (
        value == "auto" or value in REDUCES or re.fullmatch("module:[0-9a-f]{64}", value) is not None
    )


def _check_state(state: dict[str, Any]) -> None:
    """Whatever is written or read obeys the table of docs/state-format.md."""
    names = state.get("layers")
    if not _is_list(names, lambda name: isinstance(name, str) and name != "") or not 1 <= len(names) <= 1024:
        raise ValueError("layers must be 1 to 1024 names")
    n = len(names)
    required: dict[str, tuple[Callable[[Any], bool], str]] = {
        "preset": (lambda v: v in PRESETS, " or ".join(PRESETS)),
        "binning": (lambda v: v in (*BINNINGS, "openood"), f"openood or one of {', '.join(BINNINGS)}"),
        "aggregation": (lambda v: v in AGGREGATIONS, " or ".join(AGGREGATIONS)),
        "layers": (lambda v: len(set(v)) == n, "different names"),
        "execution_order": (
            lambda v: _is_list(v, lambda i: _is_whole(i, 0), n) and sorted(v) == list(range(n)),
            f"an order of the {n} layers",
        ),
        "m_bins": (lambda v: _is_list(v, lambda m: _is_whole(m, 2, 100_000), n), f"{n} whole numbers from 2 to 100000"),
        "alpha": (lambda v: _is_list(v, lambda a: _is_number(a) and a > 0, n), f"{n} finite numbers > 0"),
        "o_star": (lambda v: _is_list(v, lambda o: _is_whole(o, 1), n), f"{n} whole numbers from 1 to 2^53 - 1"),
        "reduce": (lambda v: _is_list(v, _is_reduce, n), f"{n} names of reductions"),
        "layer_weights": (
            lambda v: _is_list(v, lambda w: _is_number(w) and 0 <= w <= 1e9, n) and any(v),
            f"{n} numbers from 0 to 1e9, not all 0",
        ),
        "samples": (lambda v: _is_whole(v, 1), "a whole number from 1 to 2^53 - 1"),
        "libtorch_version": (lambda v: v != "", "a version"),
        "nacue_version": (lambda v: v != "", "a version"),
    }
    optional: dict[str, tuple[Callable[[Any], bool], str]] = {
        "mode": (lambda v: v == "fast", "fast"),
        "precision": (lambda v: v in PRECISIONS, " or ".join(PRECISIONS)),
        "input_shape": (lambda v: _is_list(v, lambda size: _is_whole(size, 1)), "a list of sizes"),
        "output": (lambda v: isinstance(v, str) or _is_whole(v, 0), "a whole number or a name"),
        "model_sha256": (lambda v: re.fullmatch("[0-9a-f]{64}", v) is not None, "64 hexadecimal digits"),
        "threshold": (_is_number, "a finite number"),
        "threshold_tpr": (lambda v: _is_number(v) and 0 < v <= 1, "a number in (0, 1]"),
    }
    for key, (check, expected) in required.items():
        if key not in state:
            raise ValueError(f"the metadata {key} is missing")
        if not check(state[key]):
            raise ValueError(f"{key} must be {expected}, received {str(state[key])[:80]}")
    for key in state.keys() - required.keys():
        if key not in optional:
            raise ValueError(f"the metadata {key} is unknown: it may change what the fit means")
        check, expected = optional[key]
        if not check(state[key]):
            raise ValueError(f"{key} must be {expected}, received {str(state[key])[:80]}")
    for one, other in (("mode", "precision"), ("threshold", "threshold_tpr")):
        if (one in state) != (other in state):
            raise ValueError(f"{one} and {other} come together")


@contextmanager
def _atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write; afterwards it takes the place of `path`, which is never half-written.

    It has the name of `path` in a folder beside it, because TorchScript archives carry the name of their file. A link
    stays a link, and a former file's mode stays as it was.
    """
    path = Path(os.path.realpath(path))
    former = path.lstat() if os.path.lexists(path) else None
    if former is not None and not stat.S_ISREG(former.st_mode):
        raise ValueError(f"{path} is not a regular file, it cannot be replaced")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".nacue-") as folder:
        temporary = Path(folder, path.name)
        yield temporary
        _sync(temporary)
        if former is not None:
            temporary.chmod(stat.S_IMODE(former.st_mode))
        os.replace(temporary, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
