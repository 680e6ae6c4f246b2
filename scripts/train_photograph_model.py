"""Trains examples/photographs/model.pt: a narrow ResNet of torchvision's structure that tells buildings from a flower.

Made with torch 2.11.0 and torchvision 0.26.0 (CPU, 1 thread), seed 0, the first and only one tried; other versions or
machines give other weights. Takes half a minute:

    python scripts/train_photograph_model.py

Sees the 40 squares in examples/photographs/fit alone. Its input is what `--transform imagenet` makes of a photograph.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torchscript_file import write_model
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.transforms import v2

FOLDER = Path(__file__).resolve().parent.parent / "examples/photographs"
CLASSES = ("buildings", "flower")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

WIDTHS = (8, 16, 32, 64)
EPOCHS = 60
BATCH = 20
PEAK_LEARNING_RATE = 0.02
WEIGHT_DECAY = 5e-4

TO_INPUT = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
IMAGENET = v2.Compose([v2.Resize(256), v2.CenterCrop(224), TO_INPUT])
AUGMENTED = v2.Compose([v2.RandomResizedCrop(224, (0.4, 1.0)), v2.RandomHorizontalFlip(), TO_INPUT])


class NarrowResNet(ResNet):
    """torchvision's blocks, names and forward(), one block per layer, an eighth of the channels: (B, 3, 224, 224) -> (B, 2)."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = WIDTHS[0], 1, 1, 64
        self.conv1 = nn.Conv2d(3, WIDTHS[0], kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(BasicBlock, WIDTHS[0], 1)
        self.layer2 = self._make_layer(BasicBlock, WIDTHS[1], 1, stride=2)
        self.layer3 = self._make_layer(BasicBlock, WIDTHS[2], 1, stride=2)
        self.layer4 = self._make_layer(BasicBlock, WIDTHS[3], 1, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(WIDTHS[3], len(CLASSES))


def read_part(part: str) -> tuple[list[Tensor], Tensor]:
    """Decoded photographs, uint8 (3, H, W), and their classes."""
    files = [
        (label, file) for label in range(len(CLASSES)) for file in sorted((FOLDER / part / CLASSES[label]).iterdir())
    ]
    photographs = [v2.functional.pil_to_tensor(Image.open(file).convert("RGB")) for _, file in files]
    return photographs, torch.tensor([label for label, _ in files])


def train(photographs: list[Tensor], labels: Tensor, seed: int) -> NarrowResNet:
    """Cross-entropy, SGD with Nesterov momentum, one cycle of the learning rate, crops and mirror images."""
    torch.manual_seed(seed)
    model = NarrowResNet()
    steps = -(-len(photographs) // BATCH)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=PEAK_LEARNING_RATE, momentum=0.9, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in torch.randperm(len(photographs)).split(BATCH):
            batch = torch.stack([AUGMENTED(photographs[row]) for row in rows.tolist()])
            loss = nn.functional.cross_entropy(model(batch), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}/{EPOCHS}  loss {total / len(photographs):.4f}", flush=True)
    return model.eval()


def accuracy(model: nn.Module, part: str) -> float:
    photographs, labels = read_part(part)
    with torch.no_grad():
        logits = model(torch.stack([IMAGENET(photograph) for photograph in photographs]))
    return (logits.argmax(1) == labels).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the classifier of the walk in docs/images.md.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER / "model.pt")
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # the order of the sums, and with it the weights, depends on the number of threads
    model = train(*read_part("fit"), arguments.seed)
    write_model(torch.jit.script(model), arguments.out)
    reloaded = torch.jit.load(str(arguments.out))
    print("accuracy: " + ", ".join(f"{part} {accuracy(reloaded, part):.4f}" for part in ("fit", "calibrate", "test")))
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, torch {torch.__version__}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
