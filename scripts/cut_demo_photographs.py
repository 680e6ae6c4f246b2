"""Cuts examples/demo/photographs.npy: 480 grey 28x28 patches of the two sample photographs that scikit-learn ships.

    pip install scikit-learn pillow numpy          # in a throw-away environment
    python scripts/cut_demo_photographs.py

Any scikit-learn will do: the two files have not changed since 2011. Their authors and licence stand in
examples/demo/README.md.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = Path(__file__).resolve().parent.parent / "examples/demo/photographs.npy"
NAMES = ("china.jpg", "flower.jpg")
SIZE = 28
COLUMNS, ROWS = 20, 12


def cut_patches(grey: np.ndarray) -> np.ndarray:
    """A regular grid of patches over the whole of an (H, W) uint8 picture, row by row: (240, 28, 28)."""
    height, width = grey.shape
    tops = np.linspace(0, height - SIZE, ROWS).astype(int)
    lefts = np.linspace(0, width - SIZE, COLUMNS).astype(int)
    return np.stack([grey[top : top + SIZE, left : left + SIZE] for top in tops for left in lefts])


def images_folder() -> Path:
    """Where scikit-learn keeps its sample images, found without importing it."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise SystemExit("scikit-learn is not installed: pip install scikit-learn, or give --images")
    return Path(package.origin).parent / "datasets/images"


def main() -> None:
    parser = argparse.ArgumentParser(description="Cuts the photograph patches of the demo.")
    parser.add_argument("--images", type=Path, help="folder of china.jpg and flower.jpg (default: scikit-learn's)")
    parser.add_argument("--out", type=Path, default=PHOTOGRAPHS)
    arguments = parser.parse_args()

    folder = arguments.images or images_folder()
    greys = [np.asarray(Image.open(folder / name).convert("L")) for name in NAMES]
    patches = np.concatenate([cut_patches(grey) for grey in greys])
    np.save(arguments.out, patches)
    print(f"{arguments.out}: {patches.shape} {patches.dtype}, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
