"""Cuts examples/photographs/{fit,calibrate,test}/{buildings,flower}/*.jpg from the two sample photographs of scikit-learn.

    pip install scikit-learn pillow numpy          # in a throw-away environment
    python scripts/cut_photograph_folder.py

Each photograph is cut into 8 x 5 squares that do not overlap; half of them are for the fit, a quarter each to calibrate and
to test, on diagonals, so that no part of the photograph is in one folder alone. Authors and licence stand in
examples/photographs/README.md.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from cut_demo_photographs import images_folder
from PIL import Image

FOLDER = Path(__file__).resolve().parent.parent / "examples/photographs"
CLASSES = {"buildings": "china.jpg", "flower": "flower.jpg"}
PARTS = ("fit", "calibrate", "fit", "test")
SIZE = 80
COLUMNS, ROWS = 8, 5
QUALITY = 90


def cut_squares(photograph: Image.Image) -> Iterator[tuple[str, str, Image.Image]]:
    """The part that a square belongs to, its name, its pixels; around the centre of the photograph, row by row."""
    left, top = (photograph.width - COLUMNS * SIZE) // 2, (photograph.height - ROWS * SIZE) // 2
    for row in range(ROWS):
        for column in range(COLUMNS):
            x, y = left + column * SIZE, top + row * SIZE
            part = PARTS[(row + column) % len(PARTS)]
            yield part, f"row{row}-column{column}.jpg", photograph.crop((x, y, x + SIZE, y + SIZE))


def main() -> None:
    parser = argparse.ArgumentParser(description="Cuts the photographs of the walk in docs/images.md.")
    parser.add_argument("--images", type=Path, help="folder of china.jpg and flower.jpg (default: scikit-learn's)")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()

    folder = arguments.images or images_folder()
    for label, name in CLASSES.items():
        with Image.open(folder / name) as photograph:
            for part, square_name, square in cut_squares(photograph):
                target = arguments.out / part / label
                target.mkdir(parents=True, exist_ok=True)
                square.save(target / square_name, quality=QUALITY)
    written = sorted(arguments.out.glob("*/*/*.jpg"))
    print(f"{arguments.out}: {len(written)} photographs, {sum(file.stat().st_size for file in written)} bytes")


if __name__ == "__main__":
    main()
