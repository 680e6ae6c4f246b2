"""pytorch-ood's NACUE straight out of its wheel.

The package's own `__init__` imports every detector and data set, and with them torchvision, SciPy and NumPy, which a machine with PyTorch
alone lacks. NACUE needs none of them: empty packages of the same names let its module, unchanged, be imported by itself.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType


def provide(wheel: Path) -> None:
    """From here on `from pytorch_ood.detector import NACUE` takes it from the wheel."""
    sys.path.insert(0, str(wheel))
    for name in ("pytorch_ood", "pytorch_ood.detector"):
        package = ModuleType(name)
        package.__path__ = [str(wheel.joinpath(*name.split(".")))]
        sys.modules[name] = package
    sys.modules["pytorch_ood.detector"].NACUE = importlib.import_module("pytorch_ood.detector.nac").NACUE
