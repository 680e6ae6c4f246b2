"""pytorch-ood, as a process that answers requests, one line of JSON each: `python peer.py THREADS`.

Also the yardsticks that need PyTorch: a plain forward pass, the machine's matrix products, the operations a row takes.
"""

import base64
import ctypes
import importlib
import json
import re
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from pytorch_ood.detector import NACUE
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


class Peer:
    def __init__(self, models: str = "torchvision.models", device: str = "cpu") -> None:
        """`models` is the module whose functions build them. Batches lie in the memory of the CPU, the model on the device."""
        self.models = importlib.import_module(models)
        self.device = torch.device(device)
        self.batches: dict[str, Tensor] = {}

    def versions(self) -> dict:
        return {"torch": torch.__version__, "pytorchOod": version("pytorch-ood")}

    def load(self, model: str, files: dict, options: dict) -> dict:
        """A detector in place of the one before, not fitted."""
        self.model = getattr(self.models, model)(weights=None).eval()
        self.model.load_state_dict(torch.load(files["weights"]))
        self.model.to(self.device)
        self.layers = [self.model.get_submodule(name) for name in options["layers"]]
        alpha = options.get("alpha", 100.0)
        self.detector = NACUE(self.model, self.layers, m_bins=options["mBins"], alpha=alpha, device=self.device)
        return {}

    def read(self, inputs: list) -> dict:
        """Reads batches, in place of those before."""
        self.batches = {item["file"]: read_floats(item["file"]).reshape(item["shape"]) for item in inputs}
        return {}

    def fit(self, files: list) -> dict:
        batches = [self.batches[file] for file in files]
        return {"seconds": seconds(lambda: self.detector.fit(batches))}

    def predict(self, file: str, repeats: int = 1) -> dict:
        """The mean of `repeats` calls, one straight after the other."""
        return {"seconds": seconds(lambda: [self.scored(file) for _ in range(repeats)]) / repeats}

    def forward(self, file: str) -> dict:
        with torch.no_grad():
            return {"seconds": seconds(lambda: self.model(self.batches[file].to(self.device)).cpu())}

    def scores(self, files: list) -> dict:
        """The scores of each batch, as base64 of float32."""
        return {"scores": [base64_of(self.scored(file)) for file in files]}

    def counts(self) -> dict:
        """The counts of each layer in execution order, as base64 of integers of 64 bits."""
        return {"counts": [base64_of(stats.counts) for stats in self.detector._stats]}

    def scored(self, file: str) -> Tensor:
        return self.detector.predict(self.batches[file]).cpu()

    def peak(self, call: str, file: str) -> dict:
        """The peak of memory while a batch is scored, or fitted."""
        batch = self.batches[file]
        loaded = memory_status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        self.detector.fit([batch]) if call == "fit" else self.detector.predict(batch)
        return {"loaded": loaded, "extra": memory_status("VmHWM") - loaded}

    def operations(self, file: str) -> dict:
        """Floating point operations of one forward, and of one backward to the earliest layer."""
        starts: list[Tensor] = []
        self.model.requires_grad_(False)

        def start(_module: torch.nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
            starts.append(output.requires_grad_())
            return output

        hook = self.layers[0].register_forward_hook(start)
        with FlopCounterMode(display=False) as forward:
            logits = self.model(self.batches[file].to(self.device))
        with FlopCounterMode(display=False) as backward:
            torch.autograd.grad(logits.sum(), starts[0])
        hook.remove()
        self.model.requires_grad_(True)
        return {"forward": forward.get_total_flops(), "backward": backward.get_total_flops()}

    def matrixProducts(self) -> dict:
        """Floating point operations per second of a product of two square matrices, best of five."""
        return {name: product_rate(getattr(torch, name)) for name in ("float32", "bfloat16")}


def base64_of(tensor: Tensor) -> str:
    """Without NumPy, which not every machine with PyTorch has."""
    values = tensor.contiguous()
    return base64.b64encode(ctypes.string_at(values.data_ptr(), values.nbytes)).decode()


def product_rate(dtype: torch.dtype) -> float:
    """Of matrices of 2048 x 2048, or smaller ones where the processor does not multiply the type and these take long."""
    for size in (256, 512, 1024, 2048):
        a, b = (torch.randn(size, size, dtype=dtype) for _ in range(2))
        torch.mm(a, b)
        fastest = min(seconds(lambda a=a, b=b: torch.mm(a, b)) for _ in range(5))
        if fastest > 0.02:
            break
    return 2 * size**3 / fastest


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def read_floats(file: str) -> Tensor:
    return torch.frombuffer(bytearray(Path(file).read_bytes()), dtype=torch.float32)


def memory_status(name: str) -> int:
    line = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(line[1])


def serve(peer: Peer) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(peer, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve(Peer())
