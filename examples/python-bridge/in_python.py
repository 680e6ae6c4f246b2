"""Python's half of the example: fits NACUE on the demo's digits, or scores with what Node.js has saved.

python in_python.py fit FOLDER      # writes model.pt, fit.safetensors and python_scores.json
python in_python.py score FOLDER    # reads node.safetensors, compares with python_scores.json
"""

import json
import sys
from pathlib import Path

import torch
from pytorch_ood.detector import NACUE

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "python"), str(ROOT / "scripts")]

from nacue_bridge import export_model, load_detector, save_detector
from train_demo_model import DigitNet, read_digit, split_digits

FIT_COUNT = 1000
BATCH = 100


def load_model() -> DigitNet:
    """The demo's classifier, as the Python class it was trained as."""
    model = DigitNet()
    model.load_state_dict(torch.jit.load(str(ROOT / "examples/demo/model.pt")).state_dict())
    return model.eval()


def score(detector: NACUE) -> dict[str, list[float]]:
    """Of the held-out digits 0-5 and of the digits 6-9."""
    _, (held_out, _) = split_digits()
    sets = {"held-out digits": held_out, "digits 6-9": torch.cat([read_digit(digit) for digit in range(6, 10)])}
    return {
        name: torch.cat([detector(batch) for batch in images.split(BATCH)]).tolist() for name, images in sets.items()
    }


def fit(folder: Path) -> None:
    model = load_model()
    (images, _), _ = split_digits()
    chosen = images[torch.linspace(0, len(images) - 1, FIT_COUNT).long()]
    detector = NACUE(model, [model.layer1, model.layer2, model.layer3, model.avgpool], alpha=100, o_star=5)
    detector.fit(list(chosen.split(BATCH)))

    method = export_model(model, chosen[:2], folder / "model.pt")
    save_detector(detector, folder / "fit.safetensors", folder / "model.pt")
    (folder / "python_scores.json").write_text(json.dumps(score(detector)))
    print(f"Python: fitted on {FIT_COUNT} digits, exported the model ({method}) and the fit")


def check(folder: Path) -> None:
    scores = score(load_detector(folder / "node.safetensors", load_model()))
    same = scores == json.loads((folder / "python_scores.json").read_text())
    print(
        f"Python: {sum(map(len, scores.values()))} scores with what Node.js saved: {'identical' if same else 'DIFFERENT'}"
    )
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"fit": fit, "score": check}[sys.argv[1]](Path(sys.argv[2]))
