"""Writes the torchvision nets of the parity tests: `python export_deviation_nets.py FOLDER`.

Built as the parity tests build them; weights are random, each net's from its own seed. `FOLDER/index.json` lists their options for nacue.
"""

import json
import sys
import warnings
import zlib
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "parity"))

from reference.case import Case
from reference.cases import TORCHVISION
from reference.run import export, folder_of, settle_batch_norms, spread_alpha

BATCH = 8


def built(case: Case) -> tuple[nn.Module, Tensor]:
    """The net as the parity tests build it, and the batch that its statistics and alpha come from."""
    torch.manual_seed(zlib.crc32(case.name.encode()))
    model = case.build().eval()
    batch = case.inputs((BATCH, *case.input_shape))
    settle_batch_norms(model, batch)
    return model, batch


def write(case: Case, folder: Path) -> dict:
    model, batch = built(case)
    file = folder / f"{folder_of(case)}.pt"
    export(model, case.exports[0], batch, file)
    alpha = spread_alpha(model, [model.get_submodule(name) for name in case.layers], batch)
    options = {"layers": case.layers, "mBins": case.m_bins, "alpha": alpha, "oStar": case.o_star}
    return {"name": case.name, "torchscript": file.name, "side": case.input_shape[-1], "options": options}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_text(json.dumps([write(case, folder) for case in TORCHVISION], indent=2))
