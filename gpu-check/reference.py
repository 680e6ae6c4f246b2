"""pytorch-ood on a device, as a process that answers requests (bench/peer.py): `python reference.py WHEEL DEVICE THREADS`.

TF32 is off unless a request asks for it. `hold` takes memory of the GPU away from the other processes.
"""

import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

from pytorch_ood_wheel import provide

provide(Path(sys.argv[1]))

from peer import Peer, serve


class Reference(Peer):
    def __init__(self, device: str) -> None:
        super().__init__("resnet", device)
        self.held: torch.Tensor | None = None

    def fit(self, files: list, tf32: bool = False) -> dict:
        allow_tf32(tf32)
        return super().fit(files)

    def predict(self, file: str, repeats: int = 1, tf32: bool = False) -> dict:
        allow_tf32(tf32)
        return super().predict(file, repeats)

    def forward(self, file: str) -> dict:
        allow_tf32(False)
        return super().forward(file)

    def scores(self, files: list) -> dict:
        allow_tf32(False)
        return super().scores(files)

    def hold(self, leave: int) -> dict:
        """Leaves that many bytes of the GPU to others."""
        self.release()
        free, _ = torch.cuda.mem_get_info()
        self.held = torch.empty(max(0, free - leave), dtype=torch.uint8, device=self.device)
        return {"held": self.held.numel()}

    def release(self) -> dict:
        self.held = None
        torch.cuda.empty_cache()
        return {}

    def free(self) -> dict:
        """Bytes of the GPU that nobody has."""
        return {"free": torch.cuda.mem_get_info()[0]}


def allow_tf32(allowed: bool) -> None:
    """As PyTorch starts, TF32 is allowed in convolutions and not in products of matrices."""
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = False


torch.set_num_threads(int(sys.argv[3]))
serve(Reference(sys.argv[2]))
