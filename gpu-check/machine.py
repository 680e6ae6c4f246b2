"""Prints what this Python has: its PyTorch, where that lies, the GPUs that it sees. As JSON."""

import json
import platform
from pathlib import Path

import torch


def device(index: int) -> dict:
    properties = torch.cuda.get_device_properties(index)
    capability = f"{properties.major}.{properties.minor}"
    return {"name": properties.name, "capability": capability, "bytes": properties.total_memory}


print(
    json.dumps(
        {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "folder": str(Path(torch.__file__).parent),
            "cuda": torch.version.cuda,
            "devices": [device(index) for index in range(torch.cuda.device_count())],
        }
    )
)
