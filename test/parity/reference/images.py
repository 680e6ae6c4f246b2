"""Writes image files with the pixels that Pillow decodes from them, and pixels with what torchvision makes of them.

Into the folder --out: index.json, the files, `.rgb` (uint8) and `.f32` (float32, little-endian) beside them. Pillow and torchvision
are the versions of the parity environment.
"""

import argparse
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms._presets import ImageClassification

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
ORIENTATION = 0x112
SIZES = (  # height, width
    (1, 1),
    (1, 7),
    (7, 1),
    (31, 33),
    (64, 48),
    (224, 224),
    (224, 225),
    (256, 256),
    (255, 257),
    (256, 341),
    (257, 224),
    (375, 500),
    (500, 333),
    (427, 640),
    (17, 1000),
    (1000, 17),
    (1201, 1599),
)
TRANSFORMS: tuple[tuple[str | dict[str, Any], dict[str, Any]], ...] = (
    ("imagenet", {"resize": 256, "crop": 224, **IMAGENET}),
    ("imagenet:232/224", {"resize": 232, "crop": 224, **IMAGENET}),
    ("imagenet:31/33", {"resize": 31, "crop": 33, **IMAGENET}),
    ("scale:32,32", {"resize": [32, 32]}),
    ("scale:101,37", {"resize": [101, 37]}),
    ("none", {}),
    ({"crop": [300, 99]}, {"crop": [300, 99]}),
    ({"crop": 224, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.1]},) * 2,
    ({"resize": [64, 48], "crop": [63, 51], "interpolation": "bicubic"},) * 2,
    ({"resize": 96, "crop": 96, "interpolation": "bicubic", "antialias": False},) * 2,
    ({"resize": 96, "crop": 95, "antialias": False},) * 2,
    ({"resize": 96, "crop": 96, "interpolation": "nearest"},) * 2,
    ({"resize": 96, "crop": 96, "interpolation": "nearest-exact"},) * 2,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    index = {"decoded": list(decoded_files(out)), "transformed": list(transformed_pixels(out))}
    (out / "index.json").write_text(json.dumps(index))


def decoded_files(out: Path) -> Iterator[dict[str, Any]]:
    write_files(out)
    for file in sorted(path.name for path in out.iterdir()):
        image = ImageOps.exif_transpose(Image.open(out / file)).convert("RGB")
        (out / f"{file}.rgb").write_bytes(image.tobytes())
        yield {"file": file, "shape": [image.height, image.width, 3]}


def write_files(out: Path) -> None:
    rgb, rgba = Image.fromarray(pixels(61, 83, 3)), Image.fromarray(pixels(61, 83, 4), "RGBA")
    grey, grey_alpha = Image.fromarray(pixels(61, 83, 1)[..., 0]), Image.fromarray(pixels(61, 83, 2), "LA")
    cmyk, palette = Image.fromarray(pixels(61, 83, 4), "CMYK"), rgb.quantize(64)
    modes = {
        "rgb": rgb,
        "rgba": rgba,
        "grey": grey,
        "grey-alpha": grey_alpha,
        "palette": palette,
        "bits": grey.convert("1"),
    }
    for name, image in modes.items():
        image.save(out / f"{name}.png")
        image.save(out / f"{name}.tif")
    palette.save(out / "palette-transparent.png", transparency=3)
    rgb.save(out / "rgb-transparent.png", transparency=(10, 20, 30))
    (out / "rgb16.png").write_bytes(png16(pixels(61, 83, 6)))
    for name, image in {"rgb": rgb, "grey": grey, "cmyk": cmyk}.items():
        image.save(out / f"{name}.jpg", quality=90)
    cmyk.save(out / "cmyk.tif")
    rgb.save(out / "full-chroma.jpeg", quality=95, subsampling=0)
    rgb.save(out / "progressive.jpg", quality=75, progressive=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        for ending, options in {"jpg": {"quality": 95}, "png": {}, "webp": {"lossless": True}, "tif": {}}.items():
            rgb.save(out / f"orientation-{orientation}.{ending}", exif=exif, **options)
    rgb.save(out / "rgb.webp", quality=80)
    rgba.save(out / "rgba.webp", lossless=True, exact=True)
    palette.save(out / "palette.gif")
    rgb.save(out / "lzw.tiff", compression="tiff_lzw")
    rgb.save(out / "rgb.avif", quality=90)


def png16(high_and_low: np.ndarray) -> bytes:
    """An RGB image of 16 bits per channel, which Pillow reads but does not write."""
    height, width, _ = high_and_low.shape
    rows = b"".join(b"\0" + row.tobytes() for row in high_and_low)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def transformed_pixels(out: Path) -> Iterator[dict[str, Any]]:
    for number, (height, width) in enumerate(SIZES):
        values = pixels(height, width, 3)
        source = f"pixels-{number}.rgb"
        (out / source).write_bytes(values.tobytes())
        for place, (name, steps) in enumerate(TRANSFORMS):
            result = torchvision_transform(**steps)(v2.functional.to_image(values)).contiguous()
            file = f"pixels-{number}-{place}.f32"
            (out / file).write_bytes(result.numpy().astype("<f4").tobytes())
            case = {
                "transform": name,
                "source": source,
                "shape": [height, width, 3],
                "result": file,
                "resultShape": list(result.shape),
            }
            yield case | ({"preset": preset_results(out, values, file)} if name == "imagenet" else {})


def torchvision_transform(
    resize: int | list[int] | None = None,
    crop: int | list[int] | None = None,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> v2.Compose:
    steps: list[Any] = []
    if resize is not None:
        steps.append(v2.Resize(resize, interpolation=InterpolationMode(interpolation), antialias=antialias))
    if crop is not None:
        steps.append(v2.CenterCrop(crop))
    steps.append(v2.ToDtype(torch.float32, scale=True))
    if mean is not None:
        steps.append(v2.Normalize(mean, std))
    return v2.Compose(steps)


def preset_results(out: Path, values: np.ndarray, file: str) -> dict[str, str]:
    """Of the preset that torchvision's weights carry, on a tensor and on a Pillow image."""
    preset = ImageClassification(crop_size=224)
    inputs = {"tensor": torch.from_numpy(values).permute(2, 0, 1), "pillow": Image.fromarray(values)}
    for kind, image in inputs.items():
        (out / f"{file}.{kind}").write_bytes(preset(image).contiguous().numpy().astype("<f4").tobytes())
    return {kind: f"{file}.{kind}" for kind in inputs}


def pixels(height: int, width: int, channels: int) -> np.ndarray:
    """Waves and noise: as smooth and as rough as photographs are."""
    rng = np.random.default_rng(height * 10_000 + width)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (5.0 + k) + k) * np.cos(y / (7.0 + 2 * k)) for k in range(channels)]
    values = 127.5 + 130 * np.stack(waves, -1) + rng.normal(0, 8, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
