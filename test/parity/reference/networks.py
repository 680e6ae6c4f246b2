"""Small networks, each with one property that a graph edit, an autograd cut or a frozen weight could get wrong."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.relu(self.norm(self.conv1(x))))


class SmallResidualNet(nn.Module):
    """The workhorse of the option cases: 4-D stages, a pooled 4-D output and a flattened 2-D one."""

    def __init__(self, channels: int = 12, classes: int = 7):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.layer1 = ResidualBlock(channels)
        self.layer2 = nn.Sequential(nn.Conv2d(channels, 2 * channels, 3, stride=2), ResidualBlock(2 * channels))
        self.layer3 = nn.Sequential(nn.Conv2d(2 * channels, 4 * channels, 3, stride=2), ResidualBlock(4 * channels))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(4 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(self.flatten(self.avgpool(x)))


class Mlp(nn.Sequential):
    def __init__(self, inputs: int = 20, hidden: int = 32, classes: int = 5):
        super().__init__(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, classes)
        )


class ConfidentMlp(nn.Module):
    """Logits so far apart that some probabilities vanish beside the 1e-12 inside the logarithm."""

    def __init__(self):
        super().__init__()
        self.mlp = Mlp(classes=6)

    def forward(self, x: Tensor) -> Tensor:
        return 120.0 * self.mlp(x)


class GruHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(9, 16)
        self.gru = nn.GRU(16, 24, num_layers=2, batch_first=True)
        self.norm = nn.LayerNorm(24)
        self.classifier = nn.Sequential(nn.Linear(24, 20), nn.ReLU(), nn.Linear(20, 6))

    def forward(self, x: Tensor) -> Tensor:
        sequence, _ = self.gru(self.project(x))
        return self.classifier(self.norm(sequence[:, -1]))


class LstmHead(nn.Module):
    """oneDNN has one LSTM kernel for grad mode on and another for grad mode off."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(9, 64, 3, padding=1)
        self.lstm = nn.LSTM(64, 64, num_layers=2, bidirectional=True)
        self.norm = nn.LayerNorm(128)
        self.head = nn.Linear(128, 6)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv(x).permute(2, 0, 1)
        sequence, _ = self.lstm(features)
        return self.head(self.norm(sequence.mean(dim=0)))


class GruCellLoop(nn.Module):
    """A recurrent cell in a loop over time; only modules outside of the loop can be tapped."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(9, 16)
        self.cell = nn.GRUCell(16, 16)
        self.hidden = nn.Linear(16, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.embed(x)
        state = torch.zeros(x.size(0), 16, dtype=x.dtype, device=x.device)
        for t in range(steps.size(1)):
            state = self.cell(steps[:, t], state)
        return self.head(torch.relu(self.hidden(state)))


class Cnn1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(4, 16, 7, stride=2, padding=3),
            nn.BatchNorm1d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool1d(2),
            nn.Conv1d(16, 32, 5, groups=4, padding=2),
            nn.GELU(),
            nn.AdaptiveAvgPool1d(4),
        )
        self.head = nn.Linear(128, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


class Cnn3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(2, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(8)
        self.pool = nn.MaxPool3d(2)
        self.conv2 = nn.Conv3d(8, 12, 3, padding=1, stride=(1, 2, 2))
        self.norm2 = nn.InstanceNorm3d(12, affine=True)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(12, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.norm1(self.conv1(x))))
        x = self.avgpool(F.elu(self.norm2(self.conv2(x))))
        return self.head(x.flatten(1))


class ModuleListLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 10, 3)
        self.blocks = nn.ModuleList([ResidualBlock(10) for _ in range(4)])
        self.by_name = nn.ModuleDict({"squeeze": nn.Conv2d(10, 6, 1), "mix": nn.Conv2d(6, 6, 3, padding=1)})
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        for branch in self.by_name.values():
            x = torch.tanh(branch(x))
        return self.head(x.mean(dim=(2, 3)))


class TransformerClassifier(nn.Module):
    """nn.TransformerEncoder has a fused path that it takes only where nothing requires grad."""

    def __init__(self, norm_first: bool):
        super().__init__()
        self.embed = nn.Linear(6, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True, norm_first=norm_first, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x)).mean(dim=1))


class AttentionBlocks(nn.Module):
    """nn.MultiheadAttention, with its own fused path, and a sequence-first one that asks for the weights."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(24)
        self.attention1 = nn.MultiheadAttention(24, 3, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(24, 40), nn.SiLU(), nn.Linear(40, 24))
        self.attention2 = nn.MultiheadAttention(24, 4)
        self.norm2 = nn.LayerNorm(24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention1(y, y, y, need_weights=False)[0]
        x = x + self.feed(x)
        t = x.transpose(0, 1)
        attended, weights = self.attention2(t, t, t)
        assert weights is not None
        x = self.norm2(x + attended.transpose(0, 1)) * (1.0 + weights.mean(dim=2).unsqueeze(2))
        return self.head(x.amax(dim=1))


class ScaledDotProduct(nn.Module):
    """Attention spelled out with the fused operator and a mask buffer, as language models do."""

    def __init__(self, tokens: int = 10):
        super().__init__()
        self.qkv = nn.Linear(24, 72, bias=False)
        self.out = nn.Linear(24, 24)
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 5)
        self.register_buffer("mask", torch.tril(torch.ones(tokens, tokens)).bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4).unbind(0)
        causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        masked = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
        mixed = (causal + masked).transpose(1, 2).reshape(batch, tokens, width)
        return self.head(self.norm(x + self.out(mixed))[:, -1])


class InPlaceAfterTap(nn.Module):
    """Every tapped output is changed in place by what follows: operators, functionals, an in-place module, a slice."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv4 = nn.Conv2d(8, 8, 3, padding=1)
        self.hardswish = nn.Hardswish(inplace=True)
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(x).relu_()
        second = self.conv2(first)
        second += first
        third = self.hardswish(self.conv3(second))
        fourth = self.conv4(third)
        fourth[:, :4].mul_(0.5)
        fourth.clamp_(min=-0.1).add_(third)
        hidden = self.fc1(fourth.mean(dim=(2, 3)))
        F.leaky_relu_(hidden, 0.2)
        return self.fc2(hidden)


class ReluInPlaceTaps(nn.Module):
    """Norm and in-place ReLU tapped together: both taps see one tensor, as it is after the ReLU."""

    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.stage2 = nn.Sequential(nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12), nn.ReLU6(inplace=True))
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stage2(self.stage1(x)).mean(dim=(2, 3)))


class PassThroughTaps(nn.Module):
    """Modules that return their input: the gradient of that tensor also comes from uses before the tap."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.identity = nn.Identity()
        self.branch1 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.dropout = nn.Dropout(0.3)
        self.branch2 = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        skip = torch.tanh(x)
        x = skip + self.branch1(self.identity(x))
        y = self.conv2(x)
        skip = y * 0.5
        x = skip + self.branch2(self.dropout(y))
        return self.head(x.mean(dim=(2, 3)))


class ViewTaps(nn.Module):
    """Taps whose outputs are views of other tapped tensors, one of them changed in place through the view."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.flatten = nn.Flatten()
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4 * 7 * 7, 24)
        self.unflatten = nn.Unflatten(1, (6, 2, 2))
        self.mix = nn.Conv2d(6, 6, 2)
        self.flatten2 = nn.Flatten()
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.flatten(self.conv(x)))
        x = self.unflatten(self.fc(x))
        return self.head(self.flatten2(self.mix(x)))


class DeepPath(nn.Module):
    """Taps at every depth of one path, the outer module around the inner one included."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()), nn.Conv2d(6, 6, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x) + x

    class Stage(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([DeepPath.Inner(), DeepPath.Inner()])

        def _walk(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
            return x

        def forward(self, x: Tensor) -> Tensor:
            return self._walk(x).relu()

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.stage = DeepPath.Stage()
        self.head = nn.Linear(6, 5)

    def _features(self, x: Tensor) -> Tensor:
        return self.stage(self.stem(x)).mean(dim=(2, 3))

    def _forward_impl(self, x: Tensor) -> Tensor:
        return self.head(self._features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


class OptionalBlock(nn.Module):
    """Submodules that may be None, Optional tensors refined by `is not None`, a branch on the data, early returns."""

    class Unit(nn.Module):
        def __init__(self, inputs: int, outputs: int):
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.shortcut: nn.Module | None = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
            self.scale: nn.Parameter | None = nn.Parameter(torch.rand(outputs, 1, 1)) if inputs != outputs else None

        def forward(self, x: Tensor, gate: Tensor | None = None) -> Tensor:
            identity: Tensor | None = None
            if self.shortcut is not None:
                identity = self.shortcut(x)
            y = self.conv(x)
            if self.scale is not None:
                y = y * self.scale
            if gate is not None:
                y = y * gate
            if identity is None:
                return torch.relu(x + y)
            return torch.relu(identity + y)

    def __init__(self):
        super().__init__()
        self.unit1 = OptionalBlock.Unit(3, 8)
        self.unit2 = OptionalBlock.Unit(8, 8)
        self.unit3 = OptionalBlock.Unit(8, 12)
        self.auxiliary: nn.Module | None = nn.Linear(12, 5)
        self.unused: nn.Module | None = None
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.unit1(x)
        gate: Tensor | None = torch.sigmoid(x.mean(dim=(2, 3), keepdim=True))
        x = self.unit3(self.unit2(x, gate))
        if x.size(0) > 1000:
            x = x * 2.0
        pooled = x.mean(dim=(2, 3))
        logits = self.head(pooled)
        auxiliary: Tensor | None = None
        if self.auxiliary is not None:
            auxiliary = self.auxiliary(pooled)
        if self.unused is not None:
            auxiliary = self.unused(pooled)
        if auxiliary is not None:
            logits = logits + 0.3 * auxiliary
        return logits


class SharedWeights(nn.Module):
    """Two modules with one parameter, and an output layer tied to the input layer."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(16, 24, bias=False)
        self.first = nn.Linear(24, 24)
        self.second = nn.Linear(24, 24)
        self.second.weight = self.first.weight
        self.out = nn.Linear(24, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(self.embed(x)))
        x = torch.relu(self.second(x))
        return F.linear(x, self.embed.weight.t()) + self.out(x)


class DictOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2))
        self.embedding = nn.Linear(32, 16)
        self.head = nn.Linear(16, 6)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        embedding = self.embedding(self.backbone(x).flatten(1))
        return {"embedding": embedding, "logits": self.head(torch.relu(embedding))}


class TupleOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = DictOutput()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.net(x)
        return out["embedding"], out["logits"]


class LogitsFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = DictOutput()

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        out = self.net(x)
        return out["logits"], out


class Prediction(NamedTuple):
    logits: Tensor
    embedding: Tensor


class NamedTupleOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = DictOutput()

    def forward(self, x: Tensor) -> Prediction:
        out = self.net(x)
        return Prediction(out["logits"], out["embedding"])


class ChannelsLastInside(nn.Module):
    """Tapped outputs that are not contiguous: permuted, channels-last, transposed, expanded, strided."""

    class Permute(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.permute(0, 3, 1, 2)

    class Expand(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(dim=(2, 3), keepdim=True).expand(-1, -1, 5, 3)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 10, 3, stride=2)
        self.norm = nn.LayerNorm(10)
        self.mix = nn.Linear(10, 14)
        self.permute = ChannelsLastInside.Permute()
        self.conv = nn.Conv2d(14, 9, 3, padding=1)
        self.expand = ChannelsLastInside.Expand()
        self.head = nn.Linear(9 * 15, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        x = self.permute(self.mix(self.norm(x.permute(0, 2, 3, 1))))
        x = torch.relu(self.conv(x))
        x = self.expand(x[:, :, ::2, 1:]) * torch.linspace(-1.0, 1.0, 15, device=x.device).view(5, 3)
        return self.head(x.flatten(1))


class FunctionalWeights(nn.Module):
    """Raw parameters in matmul, einsum and conv: kernels that are chosen by whether a weight requires grad."""

    def __init__(self):
        super().__init__()
        self.left = nn.Parameter(0.3 * torch.randn(11, 7))
        self.right = nn.Parameter(0.3 * torch.randn(9, 13))
        self.scale = nn.Parameter(torch.rand(13))
        self.kernel = nn.Parameter(0.3 * torch.randn(6, 11, 3))
        self.bilinear = nn.Parameter(0.3 * torch.randn(6, 13, 8))
        self.vector = nn.Parameter(torch.randn(8))
        self.tap1 = nn.Dropout(0.1)
        self.tap2 = nn.Dropout(0.1)
        self.tap3 = nn.Dropout(0.1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tap1(torch.matmul(self.left, x))
        x = self.tap2(torch.matmul(x.transpose(1, 2).contiguous().transpose(1, 2), self.right * self.scale))
        x = F.conv1d(torch.tanh(x), self.kernel, padding=1)
        x = self.tap3(torch.einsum("bct,cth->bch", x, self.bilinear) + self.vector)
        return self.head(x.sum(dim=1))


class TokenMixer(nn.Module):
    """Linear layers over a transposed axis, with and without bias, as in MLP-Mixer."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 96, 4, stride=4)
        self.norm1 = nn.LayerNorm(96)
        self.tokens = nn.Sequential(nn.Linear(196, 384), nn.GELU(), nn.Linear(384, 196, bias=False))
        self.plain = nn.Linear(196, 196, bias=False)
        self.norm2 = nn.LayerNorm(96)
        self.channels = nn.Sequential(nn.Linear(96, 192, bias=False), nn.GELU(), nn.Linear(192, 96))
        self.head = nn.Linear(96, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.plain(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norm2(x))
        return self.head(x.mean(dim=1))


class ClassToken(nn.Module):
    """Linear layers on a slice of the tokens, as in CrossViT: no contiguous batch to fold into one product."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(256)
        self.query = nn.Linear(256, 256)
        self.keys = nn.Linear(256, 256, bias=False)
        self.out = nn.Linear(256, 256)
        self.head = nn.Linear(256, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        query = self.query(x[:, 0:1])
        attention = torch.softmax(query @ self.keys(x[:, ::2]).transpose(1, 2) / 16.0, dim=2)
        return self.head(self.out(attention @ x[:, ::2])[:, 0])


class TokenClassifier(nn.Module):
    """Token ids come as floats, as every nacue batch does, and become integers inside."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16, padding_idx=0)
        self.bag = nn.EmbeddingBag(50, 16, mode="mean")
        self.conv = nn.Conv1d(16, 20, 3, padding=1)
        self.hidden = nn.Linear(36, 24)
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        ids = x.long()
        features = torch.relu(self.conv(self.embedding(ids).transpose(1, 2))).amax(dim=2)
        return self.head(F.selu(self.hidden(torch.cat([features, self.bag(ids)], dim=1))))


class ManyOperators(nn.Module):
    """A wide spread of layers whose outputs are tapped: transposed, dilated and depthwise convolutions, other norms."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 8, 3, stride=2)
        self.group_norm = nn.GroupNorm(2, 8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, padding=1)
        self.prelu = nn.PReLU(8)
        self.dilated = nn.Conv2d(8, 12, 3, dilation=2, padding=2, padding_mode="reflect")
        self.glu = nn.GLU(dim=1)
        self.shuffle = nn.PixelShuffle(1)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.local_norm = nn.LocalResponseNorm(3)
        self.lp_pool = nn.LPPool2d(2, 3)
        self.fractional = nn.AdaptiveMaxPool2d((3, 2))
        self.softmax = nn.Softmax(dim=1)
        self.bilinear = nn.Bilinear(36, 36, 10)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.depthwise(self.group_norm(self.up(x))))
        x = self.shuffle(self.glu(self.dilated(x)))
        x = self.lp_pool(self.local_norm(self.upsample(x)))
        x = self.fractional(x).flatten(1)
        return self.head(self.bilinear(x, self.softmax(x)))


class ListOfBranches(nn.Module):
    """Lists, tuples and optional arguments travel between submodules; early return inside a scripted method."""

    class Branch(nn.Module):
        def __init__(self, inputs: int, outputs: int):
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.norm = nn.BatchNorm2d(outputs)

        def forward(self, features: list[Tensor]) -> Tensor:
            return F.relu(self.norm(self.conv(torch.cat(features, dim=1))), inplace=True)

    class Split(nn.Module):
        def __init__(self):
            super().__init__()
            self.left = nn.Conv2d(11, 6, 1)
            self.right = nn.Conv2d(11, 6, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.left(x), self.right(x)

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList([ListOfBranches.Branch(3, 4), ListOfBranches.Branch(7, 4)])
        self.split = ListOfBranches.Split()
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        features: list[Tensor] = [x]
        for branch in self.branches:
            features.append(branch(features))
        left, right = self.split(torch.cat(features, dim=1))
        return self.head((left * torch.sigmoid(right)).mean(dim=(2, 3)))


class DataDependent(nn.Module):
    """A branch and a loop that depend on the batch, around taps that always run."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.hot = nn.Conv2d(8, 8, 1)
        self.cold = nn.Conv2d(8, 8, 3, padding=1)
        self.merge = nn.Conv2d(8, 10, 3)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if bool(x.mean() > 0.0):
            x = self.hot(x)
        else:
            x = self.cold(x)
        steps = 0
        while steps < 3 and bool(x.abs().max() > 0.5):
            x = x * 0.7
            steps += 1
        return self.head(self.merge(x).amax(dim=(2, 3)))


class FrozenEncoder(nn.Module):
    """Only the head is trainable: the encoder takes its fused path, in the reference too."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).requires_grad_(False)
        self.head = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x).mean(dim=1))


class NoGradBackbone(nn.Module):
    """Gradients are switched off inside forward, and one branch is detached."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2))
        self.neck = nn.Linear(32, 16)
        self.gate = nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.backbone(x).flatten(1)
        x = self.neck(x)
        return self.head(x * torch.sigmoid(self.gate(x.detach())))


class ChangedAfterActivation(nn.Module):
    """The result of a ReLU6 is changed in place, which its gradient survives."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.block(x)
        y += x
        return self.fc(y.mean((2, 3)))


class NormedWeights(nn.Module):
    """Weights that are computed in every forward, by parametrizations."""

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3))
        self.relu = nn.ReLU()
        self.fc = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 12))
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.fc(self.relu(self.conv(x)).mean(dim=(2, 3)))))


class ViewTapped(nn.Module):
    """A tapped view of a tensor that is changed in place after it, while both are used."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.flat = nn.Flatten(2)
        self.act = nn.SiLU(inplace=True)
        self.head = nn.Linear(8, 5)
        self.other = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        view = self.flat(h)
        h = self.act(h)
        return 5 * self.head(view.mean(2)) + self.other(h.mean((2, 3)))


class ViewChangedLater(nn.Module):
    """A view made before the first tap and changed in place after it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.block = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        view = h.flatten(2)
        view += self.block(h).flatten(2)
        return self.head(view.mean(2))


class FourierNet(nn.Module):
    """Complex numbers between the taps."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 5, padding=2)
        self.norm = nn.BatchNorm1d(8)
        self.mix = nn.Linear(17, 10)
        self.head = nn.Linear(80, 5)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(self.norm(self.conv(x)), norm="ortho")
        return self.head(F.softplus(self.mix(spectrum.abs())).flatten(1))
