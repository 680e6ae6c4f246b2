"""pytorch-ood in float64 on the nets of the parity tests, as a process like peer.py: `python float64_peer.py THREADS`.

How far its scores are from those in float32 is how far float32 itself is from the right ones.
"""

import sys
import warnings

import torch
from export_deviation_nets import TORCHVISION, built
from peer import Peer, serve
from pytorch_ood.detector import NACUE
from torch import Tensor


class Float64Peer(Peer):
    def load(self, net: str, files: dict, options: dict) -> dict:
        """A detector of the net of that name in place of the one before, not fitted; files are for others."""
        (case,) = [case for case in TORCHVISION if case.name == net]
        self.model = built(case)[0].double()
        layers = [self.model.get_submodule(name) for name in options["layers"]]
        bins = {"m_bins": options["mBins"], "alpha": options["alpha"], "o_star": options["oStar"]}
        self.detector = NACUE(self.model, layers, **bins)
        return {}

    def read(self, inputs: list) -> dict:
        super().read(inputs)
        self.batches = {file: batch.double() for file, batch in self.batches.items()}
        return {}

    def scored(self, file: str) -> Tensor:
        return super().scored(file).float()


warnings.filterwarnings("ignore")
torch.set_num_threads(int(sys.argv[1]))
serve(Float64Peer())
