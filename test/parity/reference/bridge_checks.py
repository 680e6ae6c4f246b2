"""Checks of python/nacue_bridge.py on its own: each function raises where the bridge does not do what its name says."""

import contextlib
import json
import math
import os
import pickle
import re
import tempfile
import warnings
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nacue_bridge
import torch
from nacue_bridge import REDUCES, SelectLogits, export_model, load_detector, nacue_class, save_detector
from pytorch_ood.detector import NACUE, nac
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

Outputs = namedtuple("Outputs", ["loss", "logits"])
NAMES = ("conv", "block", "pool")


class Net(nn.Module):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3)
        self.block = nn.Sequential(nn.BatchNorm2d(channels), nn.Tanh())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x)

    def logits(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(self.pool(self.block(self.conv(x))).flatten(1)))


class Reordered(Net):
    """Runs block before conv, although conv is defined first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.block = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(self.block(x))).flatten(1))


class PoolFirst(Net):
    """Defines pool, which has no parameters, before the conv that it follows; adds in place to what conv returns."""

    def __init__(self) -> None:
        super().__init__()
        conv = self.conv
        del self.conv
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        z += 1
        return self.fc(self.pool(z).flatten(1))


class PoolBeforeConv(Reordered):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(self.pool(self.block(x))).mean((2, 3)))


class Attributed(Net):
    """Has a tensor that is no buffer, one that no state_dict holds, tied weights, and a head that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.ones(3)
        self.register_buffer("scale", torch.full((3,), 2.0), persistent=False)
        self.twin = nn.Linear(4, 3)
        self.twin.weight = self.fc.weight
        self.idle = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        z = self.pool(self.block(self.conv(x))).flatten(1)
        return (self.fc(z) + self.twin(z)) * self.scale + self.shift


class Unscriptable(Net):
    def forward(self, x: Tensor, **_options: Any) -> Tensor:
        return self.logits(x)


class FixedBatch(Unscriptable):
    """The number of samples becomes a constant of a trace."""

    def forward(self, x: Tensor, **_options: Any) -> Tensor:
        return self.logits(x) + torch.ones(int(x.shape[0]), 1)


class RandomLogits(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x) + torch.rand(3)


class TupleNet(Net):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        logits = self.logits(x)
        return logits.sum(), logits


class DictNet(Unscriptable):
    def forward(self, x: Tensor, **_options: Any) -> dict[str, Tensor]:  # type: ignore[override]
        return {"logits": self.logits(x)}


class NamedTupleNet(Unscriptable):
    def forward(self, x: Tensor, **_options: Any) -> Outputs:  # type: ignore[override]
        logits = self.logits(x)
        return Outputs(logits.sum(), logits)


def run_checks() -> list[str]:
    """Runs every check in a folder of its own; returns what was checked."""
    checks = [value for name, value in globals().items() if name.startswith("check_")]
    for check in checks:
        torch.manual_seed(20230602)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            check(Path(folder))
    return [check.__name__.removeprefix("check_").replace("_", " ") for check in checks]


def batch(size: int = 5) -> Tensor:
    return torch.randn(size, 1, 8, 8)


def fitted(model: nn.Module | None = None, names: tuple[str, ...] = NAMES, **options: Any) -> NACUE:
    model = Net().eval() if model is None else model
    layers = [model.get_submodule(name) for name in names]
    kind = nacue_class(options.pop("binning", "geometric"))
    return kind(model, layers, **{"m_bins": 10, "alpha": 200.0, "o_star": 2, **options}).fit([batch(), batch(3)])


@contextlib.contextmanager
def refuses(kind: type[Exception], fragment: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        if re.search(fragment, str(error)) is None or "\n" in str(error):
            raise AssertionError(f"expected one line with {fragment!r}, received {error}") from error
    else:
        raise AssertionError(f"nothing was raised, expected {kind.__name__} with {fragment!r}")


def warnings_of(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [str(warning.message) for warning in caught]


def reloaded(path: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path)


def require(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)


# Saving and loading.


def check_round_trip_is_bit_identical_for_every_binning_and_reduce(folder: Path) -> None:
    path = folder / "state.safetensors"
    for binning in ("geometric", "uniform", "logit"):
        for reduce in (None, "mean", "sum", "max-abs", "flatten"):
            detector = fitted(binning=binning, feature_reduce=REDUCES.get(reduce), m_bins=[10, 7, 2], o_star=[1, 2, 3])
            save_detector(detector, path)
            loaded = load_detector(path, detector.model)
            x = batch()
            require(torch.equal(loaded.predict(x), detector.predict(x)), f"{binning}, {reduce}: other scores")
            again = folder / "again.safetensors"
            save_detector(loaded, again)
            require(again.read_bytes() == path.read_bytes(), f"{binning}, {reduce}: another file")


def check_subclasses_bin_as_the_rules_they_are_named_after(_folder: Path) -> None:
    for binning, rule in {"uniform": nac._bin_indices, "logit": nac._bin_indices_logit}.items():
        detector = fitted(binning=binning)
        original = nac._bin_indices_geometric
        nac._bin_indices_geometric = rule
        try:
            plain = NACUE(detector.model, detector.layers, 10, 200.0, 2)
            torch.manual_seed(1)
            plain.fit([batch()])
        finally:
            nac._bin_indices_geometric = original
        torch.manual_seed(1)
        detector.fit([batch()])
        for mine, theirs in zip(detector._stats, plain._stats, strict=True):
            require(torch.equal(mine.counts, theirs.counts), f"{binning}: other counts")
    require(nac._bin_indices_geometric.__name__ == "_bin_indices_geometric", "pytorch-ood was changed")
    with refuses(ValueError, "binning must be one of"):
        nacue_class("official")


def check_file_has_the_layout_of_the_format(folder: Path) -> None:
    path, model_path = folder / "state.safetensors", folder / "model.pt"
    detector = fitted(m_bins=[10, 7, 2], alpha=[0.5, 200, 1e-5])
    export_model(detector.model, batch(), model_path)
    save_detector(detector, path, model_path, example=batch())
    header_size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + header_size])
    metadata = header.pop("__metadata__")
    require(list(metadata) == sorted(metadata), "metadata is not sorted")
    require(list(header) == [f"{kind}.{name}" for kind in ("counts", "edges") for name in NAMES], "order of tensors")
    require(header_size % 8 == 0, "the tensors are not aligned")
    expected = {
        "format": "nacue",
        "format_version": "1",
        "layers": '["conv", "block", "pool"]',
        "m_bins": "[10, 7, 2]",
        "alpha": "[0.5, 200, 1e-05]",
        "reduce": '["auto", "auto", "auto"]',
        "layer_weights": "[1, 1, 1]",
        "samples": "8",
        "input_shape": "[1, 8, 8]",
        "nacue_version": nacue_bridge.__version__,
    }
    require(expected.items() <= metadata.items(), f"metadata is {metadata}")
    require(re.fullmatch("[0-9a-f]{64}", metadata["model_sha256"]) is not None, "hash of the model")
    with safe_open(path, "pt") as file:
        lengths = [len(file.get_tensor(f"edges.{name}")) for name in NAMES]
    require(lengths == [11, 7, 3], f"lengths of the edges are {lengths}")


def check_a_new_state_takes_the_place_of_the_former_at_once(folder: Path) -> None:
    path, former = folder / "state.safetensors", folder / "former.safetensors"
    path.write_bytes(b"the former state")
    former.hardlink_to(path)
    save_detector(fitted(), path)
    require(former.read_bytes() == b"the former state", "the former file was written into")
    require(len(list(folder.iterdir())) == 2, "something was left behind")


def check_links_stay_links_and_modes_stay_as_they_were(folder: Path) -> None:
    stored, linked = folder / "stored", folder / "linked"
    stored.mkdir()
    linked.mkdir()
    for name in ("state.safetensors", "model.pt"):
        former, link = stored / name, linked / name
        former.write_bytes(b"the former file")
        former.chmod(0o640)
        link.symlink_to(Path("..", "stored", name))
    detector = fitted()
    export_model(detector.model, batch(), linked / "model.pt")
    save_detector(detector, linked / "state.safetensors", linked / "model.pt")
    for link in linked.iterdir():
        former = stored / link.name
        require(link.is_symlink() and not former.is_symlink(), f"{link.name}: the link was replaced")
        require(former.stat().st_mode & 0o7777 == 0o640, f"{link.name}: mode {former.stat().st_mode:o}")
        require(len(former.read_bytes()) > 100, f"{link.name}: not written through the link")
    (linked / "dangling").symlink_to(stored / "fresh")
    save_detector(detector, linked / "dangling", linked / "model.pt")
    require((stored / "fresh").read_bytes() == (stored / "state.safetensors").read_bytes(), "a dangling link")
    (linked / "loop").symlink_to(linked / "loop")
    os.mkfifo(linked / "pipe")
    (linked / "device").symlink_to(os.devnull)
    for name in ("loop", "pipe", "device", "."):
        with refuses(ValueError, "is not a regular file"):
            save_detector(detector, linked / name)
    require(not any(entry.name.startswith(".nacue") for entry in [*stored.iterdir(), *linked.iterdir()]), "left behind")


def check_alpha_may_be_set_to_any_numbers(folder: Path) -> None:
    path, detector = folder / "state.safetensors", fitted()
    for alpha in (
        [1, 2, 0.5],
        (torch.tensor(1), torch.tensor([2.0]), torch.tensor(0.5, dtype=torch.bfloat16)),
        torch.tensor([1, 2, 0.5], requires_grad=True),
        torch.tensor([1, 2, 0.5]).numpy(),
    ):
        detector.alpha = alpha
        save_detector(detector, path)
        with safe_open(path, "pt") as file:
            require(file.metadata()["alpha"] == "[1, 2, 0.5]", f"{alpha}: {file.metadata()['alpha']}")
    for alpha in (["1", 2, 3], [True, 2, 3], [1, None, 3], [1, torch.ones(2), 3], [1, math.nan, 3], [10**400, 2, 3]):
        detector.alpha = alpha
        with refuses(ValueError, "alpha must hold finite numbers, received"):
            save_detector(detector, path)
    for alpha in (100.0, None, torch.tensor(1.0)):
        detector.alpha = alpha
        with refuses(ValueError, "alpha must hold one number per layer"):
            save_detector(detector, path)
    detector.alpha = [1, 2]
    with refuses(ValueError, "alpha must be 3 finite numbers > 0"):
        save_detector(detector, path)


def check_geometric_edges_are_those_of_the_reference(_folder: Path) -> None:
    captured: list[Tensor] = []
    bucketize = torch.bucketize
    torch.bucketize = lambda z, edges, **options: captured.append(edges) or bucketize(z, edges, **options)
    try:
        for m_bins in (2, 3, 7, 50, 501, 1000):
            nac._bin_indices_geometric(torch.rand(2, 2), m_bins)
            require(torch.equal(captured[-1], nacue_bridge._edges("geometric", m_bins)), f"M = {m_bins}")
    finally:
        torch.bucketize = bucketize


def check_options_follow_the_layers_as_they_run(folder: Path) -> None:
    """The reference pairs the first counts, bins, alpha and O* with block, which is listed second."""
    path, model = folder / "state.safetensors", Reordered().eval()
    detector = fitted(model, ("conv", "block"), m_bins=[10, 20], alpha=[100, 300], o_star=[1, 2])
    save_detector(detector, path, example=batch())
    with refuses(ValueError, "'conv' runs as layer 1 of 2.*example="):
        save_detector(detector, folder / "unordered.safetensors")
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        require(metadata["layers"] == '["block", "conv"]', f"layers are {metadata['layers']}")
        require(metadata["m_bins"] == "[10, 20]", f"m_bins are {metadata['m_bins']}")
        require(file.get_tensor("counts.block").shape == (1, 10), "counts of block")
    x = batch()
    require(torch.equal(load_detector(path, model).predict(x), detector.predict(x)), "other scores")
    backwards = fitted(Net().eval(), ("pool", "conv"))
    with refuses(ValueError, "example="):
        save_detector(backwards, path)
    save_detector(backwards, path, example=batch())


def check_the_order_of_definition_is_checked_against_the_last_batch(folder: Path) -> None:
    path = folder / "state.safetensors"
    for net, names in (
        (Reordered(), ("conv", "block")),
        (PoolBeforeConv(), ("conv", "pool")),
        (PoolFirst(), ("pool", "conv")),
    ):
        with refuses(ValueError, f"{names[0]!r} runs as layer 1 of 2"):
            save_detector(fitted(net.eval(), names), path)
    with refuses(ValueError, "a module after its submodules"):
        save_detector(fitted(Net().eval(), ("block", "block.0")), path)
    require(not path.exists(), "a wrong order was written")
    partly_frozen = Net().eval()
    partly_frozen.block.requires_grad_(False)
    for net, names in (
        (Net(), ("block.0", "block.1", "block", "pool", "fc")),
        (partly_frozen, NAMES),
        (Attributed(), ("conv", "block", "pool", "fc")),
    ):
        detector = fitted(net.eval(), names)
        save_detector(detector, path)
        with safe_open(path, "pt") as file:
            require(json.loads(file.metadata()["layers"]) == list(names), f"order of {names}")
        detector.predict(batch())
        again = folder / "again.safetensors"
        save_detector(detector, again)
        require(again.read_bytes() == path.read_bytes(), "another file after predict")
    net = Reordered().eval()
    reordered = NACUE(net, [net.conv, net.block]).fit([batch()])
    save_detector(pickle.loads(pickle.dumps(reordered)), path)  # as documented: nothing is left to check


def check_a_deep_graph_is_walked_once_per_layer(folder: Path) -> None:
    """Each addition doubles the number of paths, which a walk without memory would all follow."""

    class Doubling(Net):
        def forward(self, x: Tensor) -> Tensor:
            z = self.block(self.conv(x))
            for _ in range(2000):
                z = (z + z) / 2
            return self.fc(self.pool(z).flatten(1))

    detector = fitted(Doubling().eval())
    save_detector(detector, folder / "state.safetensors")
    reached = nacue_bridge._parameters_behind(detector._captured[2])
    require(reached == {*detector.model.conv.parameters(), *detector.model.block.parameters()}, "parameters of pool")


def check_the_exported_model_has_the_weights_of_the_fitted_one(folder: Path) -> None:
    path, model_path = folder / "state.safetensors", folder / "model.pt"
    for net, method in ((Net(), "script"), (Net(), "trace"), (Attributed(), "script"), (Attributed(), "trace")):
        export_model(net.eval(), batch(), model_path, method)
        save_detector(fitted(net), path, model_path, example=batch())
        path.unlink()
        with torch.no_grad():
            net.fc.weight[0, 0] += 1e-6
        with refuses(ValueError, "has another 'fc.weight' than the model"):
            save_detector(fitted(net), path, model_path)
        with torch.no_grad():
            net.fc.weight.copy_(reloaded(model_path).fc.weight)
        save_detector(fitted(net), path, model_path)
        path.unlink()
    net.shift += 1
    with refuses(ValueError, "gives other logits than the model"):
        save_detector(fitted(net), path, model_path, example=batch())
    with refuses(ValueError, "has a tensor 'scale', the model has none"):
        save_detector(fitted(), path, model_path)
    export_model(Net().eval(), batch(), model_path)
    with refuses(ValueError, "has another 'conv.weight'"):
        save_detector(fitted(Net(6).eval()), path, model_path)
    net = Net().eval()
    net.load_state_dict(reloaded(model_path).state_dict())
    detector = fitted(net)
    with refuses(ValueError, "has another 'block.0.running_mean'"):
        net.block[0].running_mean += 1
        save_detector(detector, path, model_path)
    net.load_state_dict(reloaded(model_path).state_dict())
    with refuses(ValueError, "has another 'conv.weight'"):
        net.double()
        save_detector(detector, path, model_path)
    require(not path.exists(), "a hash of another model was written")


def check_wrapped_models_are_seen_through_or_refused(folder: Path) -> None:
    path, model_path = folder / "state.safetensors", folder / "model.pt"
    net = Net().eval()
    export_model(net, batch(), model_path)
    layers = [net.conv, net.pool]
    wrapper = nn.Sequential(net)
    for wrapped in (nn.DataParallel(net), torch.compile(net, backend="eager"), net):
        detector = NACUE(wrapped, layers).fit([batch()])
        save_detector(detector, path, model_path)
        with safe_open(path, "pt") as file:
            require(file.metadata()["layers"] == '["conv", "pool"]', type(wrapped).__name__)
        x = batch()
        require(torch.equal(load_detector(path, nn.DataParallel(net)).predict(x), detector.predict(x)), "other scores")
    detector = NACUE(wrapper, layers).fit([batch()])
    with refuses(ValueError, "has no layer '0.conv'"):
        save_detector(detector, path, model_path)
    save_detector(detector, path, model_path, model=net)


def check_logits_in_a_tuple_are_carried_over(folder: Path) -> None:
    path, net = folder / "state.safetensors", TupleNet().eval()
    detector = NACUE(SelectLogits(net, 1), [net.conv, net.pool]).fit([batch()])
    save_detector(detector, path, example=batch())
    with safe_open(path, "pt") as file:
        require(file.metadata()["output"] == "1", "output")
    x = batch()
    require(torch.equal(load_detector(path, net).predict(x), detector.predict(x)), "other scores")


def check_what_cannot_be_saved_is_refused(folder: Path) -> None:
    path, net = folder / "state.safetensors", Net().eval()
    with refuses(TypeError, "must be a pytorch_ood.detector.NACUE"):
        save_detector(net, path)
    with refuses(ValueError, "not fitted"):
        save_detector(NACUE(net, [net.conv]), path)
    with refuses(ValueError, "not fitted"):
        save_detector(NACUE(net, [net.conv]).fit([]), path)
    with refuses(ValueError, r"layers\[1\] \(Conv2d\) is not a submodule"):
        detector = fitted(net)
        detector.layers[1] = nn.Conv2d(1, 1, 1)
        save_detector(detector, path)
    with refuses(ValueError, "lists a layer twice"):
        save_detector(fitted(net, ("conv", "conv")), path)
    with refuses(ValueError, "feature_reduce is a function of your own"):
        save_detector(fitted(net, feature_reduce=lambda x: x.mean((2, 3))), path)
    with refuses(ValueError, "contradicts the detector's feature_reduce, mean"):
        save_detector(fitted(net, feature_reduce=REDUCES["mean"]), path, reduce="sum")
    with refuses(ValueError, "contradicts the detector's class, which has logit bins"):
        save_detector(fitted(net, binning="logit"), path, binning="uniform")
    with refuses(ValueError, "reduce must be 3 names"):
        save_detector(fitted(net, feature_reduce=lambda x: x.mean((2, 3))), path, reduce="median")
    with refuses(ValueError, "o_star must be 3 whole numbers"):
        save_detector(fitted(net, o_star=0), path)
    with refuses(ValueError, "alpha must be 3 finite numbers > 0"):
        save_detector(fitted(net, alpha=-1), path)
    with refuses(ValueError, "counted equally often"):
        detector = fitted(net)
        detector._stats[1].counts[0, 0] += 1
        save_detector(detector, path)
    (folder / "no_model.pt").write_bytes(b"no model")
    with refuses(ValueError, "is not a TorchScript model"):
        save_detector(fitted(net), path, folder / "no_model.pt")
    require(not path.exists(), "a refused state was written")
    save_detector(fitted(net, feature_reduce=lambda x: x.mean((2, 3))), path, reduce="mean")


def check_what_cannot_be_loaded_is_refused(folder: Path) -> None:
    path, net = folder / "state.safetensors", Net().eval()
    save_detector(fitted(net), path, example=batch())
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def refused(fragment: str, *, without: str = "", add: dict[str, Tensor] | None = None, **changes: str) -> None:
        changed = folder / "changed.safetensors"
        kept = {name: tensor for name, tensor in tensors.items() if name != without}
        kept_metadata = {key: value for key, value in (metadata | changes).items() if key != without}
        save_file(kept | (add or {}), changed, kept_metadata)
        with refuses(ValueError, fragment):
            load_detector(changed, net)

    refused("not a state file", without="format")
    refused("format version is '2'", format_version="2")
    refused("samples is missing", without="samples")
    refused("metadata mood is unknown", mood='"good"')
    refused("alpha is no JSON", alpha="[1,")
    refused("alpha must be", alpha="[1, 1, NaN]")
    refused("alpha must be", alpha=f"[1, 1, 1{'0' * 400}]")
    refused("m_bins must be", m_bins="[10, 10, 1]")
    refused("m_bins must be", m_bins="[10, 10, true]")
    refused("execution_order must be", execution_order="[0, 0, 1]")
    refused("come together", threshold="-1.5")
    refused("mode and precision come together", mode="fast")
    refused("mode must be fast", mode="parity", precision="float32")
    refused("precision must be", mode="fast", precision="float16")
    refused("fitted in fast mode", mode="fast", precision="bfloat16")
    refused("neither the preset", preset="openood")
    refused("aggregation mean", aggregation="mean")
    refused("no layer weights", layer_weights="[1, 2, 1]")
    refused("one reduce for all layers", reduce='["auto", "mean", "auto"]')
    refused("cannot be found by its hash", reduce=json.dumps([f"module:{'0' * 64}"] * 3))
    refused("cannot watch 'block#2'", layers='["conv", "block#2", "pool"]')
    refused(r"cannot watch 'block\[0\]'", layers='["conv", "block[0]", "pool"]')
    refused("counts.pool must be an int64 tensor", without="counts.pool")
    refused("edges.pool must be a float32 tensor", without="edges.pool")
    refused("counts.conv must be an int64 tensor", add={"counts.conv": tensors["counts.conv"].float()})
    refused(
        "negative count or a row", add={"counts.conv": tensors["counts.conv"] + torch.tensor([1, -1] + [0] * 8) * 100}
    )
    refused("negative count or a row", add={"counts.conv": tensors["counts.conv"] + 1})
    refused("not the edges of these bins", binning="uniform")
    refused("'conv' has 4 neurons, the file 3", add={"counts.conv": tensors["counts.conv"][:3].clone()})
    refused("runs its layers in the order", execution_order="[1, 0, 2]")
    refused("'counts.fc' belongs to no layer", add={"counts.fc": torch.zeros(3, 10, dtype=torch.int64)})
    with refuses(ValueError, "no layer 'conv'"):
        load_detector(path, nn.Sequential())
    with refuses(ValueError, "has 6 neurons, the file 4"):
        load_detector(path, Net(6))
    (folder / "short.safetensors").write_bytes(path.read_bytes()[:-3])
    with refuses(ValueError, "is not a safetensors file"):
        load_detector(folder / "short.safetensors", net)
    with contextlib.suppress(FileNotFoundError):
        load_detector(folder / "absent.safetensors", net)
        raise AssertionError("an absent file was loaded")


# Exporting.


def check_export_scripts_and_silences_only_the_deprecation(folder: Path) -> None:
    require(export_model(Net().eval(), batch(), folder / "model.pt") == "script", "method")
    require(export_model(Net().eval(), batch(), folder / "model.pt", "trace") == "trace", "method")


def check_export_falls_back_to_a_trace_and_says_why(folder: Path) -> None:
    method, messages = warnings_of(lambda: export_model(Unscriptable().eval(), batch(), folder / "model.pt"))
    require(method == "trace" and len(messages) == 1 and "torch.jit.script cannot export it" in messages[0], messages)
    with refuses(RuntimeError, "torch.jit.script cannot export it"):
        export_model(Unscriptable().eval(), batch(), folder / "model.pt", "script")


def check_export_of_a_model_in_training_mode_warns_and_restores_it(folder: Path) -> None:
    net = Net().train()
    net.block.eval()
    _, messages = warnings_of(lambda: export_model(net, batch(), folder / "model.pt"))
    require(len(messages) == 1 and "training mode" in messages[0], str(messages))
    require(net.training and net.dropout.training and not net.block.training, "the modes were not restored")
    require(not reloaded(folder / "model.pt").training, "exported in training mode")


def check_export_warns_of_a_batch_size_that_is_baked_in(folder: Path) -> None:
    _, messages = warnings_of(lambda: export_model(FixedBatch().eval(), batch(), folder / "model.pt", "trace"))
    require(any("batch size 5 baked in" in message for message in messages), str(messages))


def check_export_of_models_with_several_outputs(folder: Path) -> None:
    for net in (TupleNet(), DictNet(), NamedTupleNet()):
        _, messages = warnings_of(lambda net=net: export_model(net.eval(), batch(), folder / "model.pt"))
        require(not any("deviate" in message or "baked" in message for message in messages), str(messages))


def check_export_of_other_logits_is_refused_and_keeps_the_former_file(folder: Path) -> None:
    path = folder / "model.pt"
    path.write_bytes(b"the former model")
    with refuses(RuntimeError, "gives other logits"):
        export_model(RandomLogits().eval(), batch(), path, "script")
    require(path.read_bytes() == b"the former model", "the former file is gone")
    require([entry.name for entry in folder.iterdir()] == ["model.pt"], "something was left behind")


def check_export_keeps_every_submodule(folder: Path) -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)
    net = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(96, 3))
    for method in ("script", "trace"):
        with torch.no_grad():
            export_model(net.eval(), torch.randn(2, 6, 16), folder / "model.pt", method)
        exported = reloaded(folder / "model.pt")
        names = {name for name, _ in exported.named_modules()}
        require("0.layers.1.norm2" in names, f"{method}: {sorted(names)}")
        graph = str(exported.inlined_graph)
        require("_transformer_encoder_layer_fwd" not in graph or method == "script", "fused layers were recorded")
    with refuses(TypeError, "TorchScript already"):
        export_model(exported, torch.randn(2, 6, 16), folder / "model.pt")


def check_export_refuses_what_is_no_batch_or_method(folder: Path) -> None:
    with refuses(ValueError, "method must be"):
        export_model(Net().eval(), batch(), folder / "model.pt", "onnx")
    for example in (batch(0), torch.tensor(1.0), [batch()]):
        with refuses(ValueError, "example must be a tensor"):
            export_model(Net().eval(), example, folder / "model.pt")
