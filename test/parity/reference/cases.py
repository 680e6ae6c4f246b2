"""The table of parity cases: every row is a network, its taps, its options and how it is exported."""

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import Bottleneck
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from . import networks
from .case import Case, token_ids

IMAGE = (3, 64, 64)
SMALL_IMAGE = (3, 20, 20)
STAGES = ("layer1", "layer2", "layer3", "layer4")
SMALL_STAGES = ("layer1", "layer2", "layer3", "avgpool")


def torchvision_model(name: str, **options: Any) -> Callable[[], nn.Module]:
    return partial(models.get_model, name, weights=None, **options)


def timm_model(name: str, **options: Any) -> Callable[[], nn.Module]:
    return partial(timm.create_model, name, pretrained=False, **options)


def vgg11() -> nn.Module:
    """VGG-11 with narrow fully connected layers: most of its 500 MB are theirs."""
    model = models.vgg11(weights=None)
    model.avgpool = nn.AdaptiveAvgPool2d((2, 2))
    model.classifier[0] = nn.Linear(512 * 2 * 2, 1024)
    model.classifier[3] = nn.Linear(1024, 1024)
    model.classifier[6] = nn.Linear(1024, 100)
    return model


def vit_b_16() -> nn.Module:
    """ViT-B/16 with 3 of its 12 blocks."""
    return models.VisionTransformer(224, 16, num_layers=3, num_heads=12, hidden_dim=768, mlp_dim=3072)


def small_convnext() -> nn.Module:
    return models.ConvNeXt([CNBlockConfig(48, 96, 2), CNBlockConfig(96, None, 2)], num_classes=20)


def small_swin_v2() -> nn.Module:
    return models.SwinTransformer(
        patch_size=[4, 4],
        embed_dim=24,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=[4, 4],
        num_classes=20,
        block=SwinTransformerBlockV2,
        downsample_layer=PatchMergingV2,
    )


def small_resnext() -> nn.Module:
    return models.ResNet(Bottleneck, [1, 2, 1, 1], num_classes=20, groups=32, width_per_group=4)


def drawn_head(build: Callable[[], nn.Module], path: str) -> Callable[[], nn.Module]:
    """For networks that start with a classifier of zeros, which leaves no gradient to compare."""

    def build_and_draw() -> nn.Module:
        model = build()
        nn.init.normal_(model.get_submodule(path).weight, std=0.1)
        return model

    return build_and_draw


def small_mlp_with_flatten() -> nn.Module:
    return nn.Sequential(nn.Flatten(), networks.Mlp(inputs=48))


TORCHVISION = [
    Case("resnet18", torchvision_model("resnet18"), STAGES, IMAGE),
    Case(
        "resnet18 with default options",
        torchvision_model("resnet18"),
        STAGES,
        IMAGE,
        ("trace",),
        alpha=100.0,
        o_star=50,
    ),
    Case("resnet18 at 224", torchvision_model("resnet18"), STAGES, (3, 224, 224), ("script",), fit=(3, 2), score=(3,)),
    Case("resnet50", torchvision_model("resnet50"), STAGES, IMAGE, ("trace",)),
    Case(
        "resnet50 inside the blocks",
        torchvision_model("resnet50"),
        ("conv1", "layer1.0.conv1", "layer1.0.downsample", "layer2.0.downsample.1", "layer3.2.bn2", "avgpool", "fc"),
        IMAGE,
        ("script",),
    ),
    Case("resnext, small", small_resnext, STAGES, IMAGE, ("script",)),
    Case(
        "vgg11",
        vgg11,
        ("features.0", "features.8", "features.11", "features.20", "classifier.1", "classifier.3"),
        IMAGE,
    ),
    Case(
        "densenet121",
        torchvision_model("densenet121"),
        (
            "features.norm0",
            "features.denseblock1.denselayer2.conv1",
            "features.denseblock2",
            "features.transition2",
            "features.denseblock3",
            "features.norm5",
        ),
        IMAGE,
    ),
    Case(
        "mobilenet_v3_small",
        torchvision_model("mobilenet_v3_small"),
        ("features.1.block.1.avgpool", "features.1", "features.3", "features.8", "features.12", "classifier.1"),
        IMAGE,
    ),
    Case("mobilenet_v2", torchvision_model("mobilenet_v2"), ("features.2", "features.9", "features.18"), IMAGE),
    Case(
        "efficientnet_b0",
        torchvision_model("efficientnet_b0"),
        ("features.1.0.block.1.scale_activation", "features.2", "features.4", "features.6", "features.8", "avgpool"),
        IMAGE,
    ),
    Case(
        "vit_b_16",
        drawn_head(vit_b_16, "heads.head"),
        ("encoder.layers.encoder_layer_1", "encoder.layers.encoder_layer_2.ln_2", "encoder.ln", "heads.head"),
        (3, 224, 224),
        fit=(3, 2),
        score=(3,),
        m_bins=20,
    ),
    Case(
        "vit at 64",
        drawn_head(partial(models.VisionTransformer, 64, 16, 4, 4, 96, 192), "heads.head"),
        (
            "conv_proj",
            "encoder.dropout",
            "encoder.layers.encoder_layer_0.dropout",
            "encoder.layers.encoder_layer_1.ln_2",
            "encoder.layers.encoder_layer_1.mlp",
            "encoder.layers.encoder_layer_2",
            "encoder.ln",
        ),
        IMAGE,
    ),
    Case(
        "googlenet",
        torchvision_model("googlenet", init_weights=False, aux_logits=False),
        ("conv2", "inception3a", "inception4a.branch3.1", "inception4c", "inception5b", "avgpool"),
        IMAGE,
    ),
    Case(
        "googlenet with auxiliary heads",
        torchvision_model("googlenet", init_weights=False, aux_logits=True, transform_input=True),
        ("conv1", "inception3b", "inception4d", "inception5a"),
        IMAGE,
        ("script",),
    ),
    Case(
        "convnext_tiny",
        torchvision_model("convnext_tiny"),
        ("features.1.0.block.1", "features.1", "features.3", "features.5", "features.7", "classifier.0"),
        IMAGE,
        ("script",),
    ),
    Case("convnext, small", small_convnext, ("features.1", "features.3", "avgpool", "classifier.1"), IMAGE),
    Case(
        "swin_t",
        torchvision_model("swin_t"),
        ("features.0", "features.1.0.attn", "features.3", "features.5.2", "norm", "permute", "avgpool", "flatten"),
        IMAGE,
        ("script",),
    ),
    Case("swin v2, small", small_swin_v2, ("features.1", "features.2.reduction", "features.3.1.mlp", "norm"), IMAGE),
    Case(
        "regnet_y_400mf",
        torchvision_model("regnet_y_400mf"),
        (
            "stem",
            "trunk_output.block1",
            "trunk_output.block2.block2-0.f.se",
            "trunk_output.block3",
            "trunk_output.block4",
        ),
        IMAGE,
    ),
    Case(
        "shufflenet_v2_x0_5",
        torchvision_model("shufflenet_v2_x0_5"),
        ("conv1", "stage2", "stage3.1.branch2", "stage3", "stage4", "conv5"),
        IMAGE,
    ),
    Case(
        "squeezenet1_1",
        torchvision_model("squeezenet1_1"),
        ("features.3.squeeze", "features.4", "features.7.expand3x3", "features.12", "classifier.1"),
        IMAGE,
    ),
    Case("mnasnet0_5", torchvision_model("mnasnet0_5"), ("layers.8", "layers.9.0.layers.3", "layers.13"), IMAGE),
    Case(
        "maxvit, small",
        partial(models.MaxVit, (64, 64), 16, 2, [16, 32], [1, 2], 8, 0.0),
        ("stem", "blocks.0.layers.0.layers.MBconv", "blocks.0", "blocks.1.layers.1.layers.grid_attention", "blocks.1"),
        IMAGE,
    ),
]

TIMM = [
    Case(
        "timm crossvit_9",
        drawn_head(drawn_head(timm_model("crossvit_9_240"), "head.0"), "head.1"),
        ("patch_embed.0.proj", "blocks.0.fusion.0.attn.proj", "blocks.1.projs.0.0", "norm.0"),
        (3, 240, 240),
        ("trace",),
        fit=(3, 2),
        score=(3,),
        m_bins=20,
    ),
    Case(
        "timm poolformer_s12",
        timm_model("poolformer_s12"),
        ("stages.0", "stages.1", "stages.2", "stages.3"),
        IMAGE,
        ("script",),
    ),
    Case(
        "timm resnetv2_18",
        timm_model("resnetv2_18"),
        ("stages.0", "stages.1.blocks.0", "stages.3", "norm"),
        IMAGE,
        ("trace",),
    ),
    Case(
        "timm vit_tiny",
        timm_model("vit_tiny_patch16_224", img_size=64),
        ("patch_embed", "blocks.2.attn", "blocks.5", "blocks.8.mlp", "norm"),
        IMAGE,
    ),
]

ARCHITECTURES = [
    Case("gru head", networks.GruHead, ("project", "norm", "classifier.0", "classifier.1"), (11, 9)),
    Case("lstm head", networks.LstmHead, ("conv", "norm"), (9, 14)),
    Case("lstm head, late tap", networks.LstmHead, ("norm",), (9, 14), fit=(39, 7), score=(39,)),
    Case("gru cell in a loop", networks.GruCellLoop, ("embed", "hidden"), (7, 9), ("script", "trace")),
    Case("1-D cnn", networks.Cnn1d, ("features.0", "features.3", "features.4", "features.6"), (4, 64)),
    Case("3-D cnn", networks.Cnn3d, ("conv1", "norm1", "conv2", "norm2", "avgpool"), (2, 6, 12, 12)),
    Case("mlp", networks.Mlp, ("0", "1", "2", "3", "4"), (20,)),
    Case("mlp, confident", networks.ConfidentMlp, ("mlp.0", "mlp.1", "mlp.3"), (20,), fit=(30, 30, 7), score=(40, 3)),
    Case(
        "module list loop",
        networks.ModuleListLoop,
        ("blocks.0", "blocks.1.conv2", "blocks.3", "by_name.squeeze", "by_name.mix"),
        SMALL_IMAGE,
    ),
    Case(
        "transformer encoder",
        partial(networks.TransformerClassifier, norm_first=False),
        ("encoder.layers.0", "encoder.layers.1.linear1", "encoder.layers.1.norm2", "encoder.layers.2", "encoder"),
        (10, 6),
    ),
    Case(
        "transformer encoder, norm first",
        partial(networks.TransformerClassifier, norm_first=True),
        ("encoder.layers.1", "encoder.norm"),
        (10, 6),
    ),
    Case(
        "transformer encoder, late tap",
        partial(networks.TransformerClassifier, norm_first=False),
        ("encoder.layers.2.linear2", "head"),
        (10, 6),
    ),
    Case("attention blocks", networks.AttentionBlocks, ("norm1", "feed.1", "feed", "norm2"), (10, 24)),
    Case("attention blocks, late tap", networks.AttentionBlocks, ("norm2",), (10, 24)),
    Case("scaled dot product", networks.ScaledDotProduct, ("qkv", "out", "norm"), (10, 24)),
    Case("token mixer", networks.TokenMixer, ("norm1", "tokens", "plain", "channels.0"), (3, 56, 56)),
    Case("token mixer, late tap", networks.TokenMixer, ("norm2", "channels"), (3, 56, 56)),
    Case("class token", networks.ClassToken, ("norm", "query", "keys"), (20, 256)),
    Case("class token, late tap", networks.ClassToken, ("out",), (20, 256)),
    Case("frozen encoder", networks.FrozenEncoder, ("head.0", "head.1"), (10, 16)),
    Case("fourier", networks.FourierNet, ("conv", "norm", "mix"), (4, 32)),
    Case("normed weights", networks.NormedWeights, ("conv", "relu", "fc"), SMALL_IMAGE, ("trace",)),
    Case("token classifier", networks.TokenClassifier, ("conv", "bag", "hidden"), (12,), inputs=token_ids),
    Case(
        "many operators",
        networks.ManyOperators,
        ("up", "group_norm", "depthwise", "prelu", "dilated", "glu", "upsample", "local_norm", "lp_pool", "softmax"),
        (3, 8, 7),
    ),
    Case("functional weights", networks.FunctionalWeights, ("tap1", "tap2", "tap3"), (7, 9)),
    Case("functional weights, late tap", networks.FunctionalWeights, ("tap3",), (7, 9)),
]

GRAPHS = [
    Case(
        "in-place after the tap",
        networks.InPlaceAfterTap,
        ("conv1", "conv2", "conv3", "conv4", "fc1"),
        SMALL_IMAGE,
    ),
    Case("in-place after the only tap", networks.InPlaceAfterTap, ("conv4",), SMALL_IMAGE),
    Case("in-place relu tapped", networks.ReluInPlaceTaps, ("stage1.2", "stage2.2"), SMALL_IMAGE),
    Case(
        "in-place relu and its norm tapped",
        networks.ReluInPlaceTaps,
        ("stage1.1", "stage1.2", "stage2.1", "stage2"),
        SMALL_IMAGE,
    ),
    Case(
        "pass-through taps on a branch",
        networks.PassThroughTaps,
        ("conv1", "identity", "conv2", "dropout"),
        SMALL_IMAGE,
        ("script",),
    ),
    Case("pass-through tap comes first", networks.PassThroughTaps, ("identity", "branch2"), SMALL_IMAGE, ("script",)),
    Case("pass-through tap after another", networks.PassThroughTaps, ("branch1", "dropout"), SMALL_IMAGE),
    Case("pass-through tap alone", networks.PassThroughTaps, ("dropout",), SMALL_IMAGE),
    Case("views", networks.ViewTaps, ("conv", "flatten", "relu", "fc", "unflatten", "mix", "flatten2"), (3, 15, 15)),
    Case("a view tapped first", networks.ViewTaps, ("flatten", "unflatten"), (3, 15, 15)),
    Case("flatten of a batch", small_mlp_with_flatten, ("1.0", "1.1"), (3, 4, 4)),
    Case(
        "deep path",
        networks.DeepPath,
        ("stem", "stage.blocks.0.body.0.0", "stage.blocks.0", "stage.blocks.1.body.0", "stage"),
        SMALL_IMAGE,
    ),
    Case(
        "optional blocks",
        networks.OptionalBlock,
        ("unit1.shortcut", "unit1", "unit2.conv", "unit3.shortcut", "unit3.conv", "auxiliary"),
        SMALL_IMAGE,
    ),
    Case("shared weights", networks.SharedWeights, ("embed", "first", "second", "out"), (16,)),
    Case("dict output", networks.DictOutput, ("backbone.0", "backbone", "embedding"), SMALL_IMAGE, output="logits"),
    Case("tuple output", networks.TupleOutput, ("net.backbone.2", "net.embedding"), SMALL_IMAGE, output=1),
    Case("first of a tuple", networks.LogitsFirst, ("net.backbone", "net.embedding"), SMALL_IMAGE, output=0),
    Case("named tuple", networks.NamedTupleOutput, ("net.backbone.1", "net.head"), SMALL_IMAGE, output=0),
    Case(
        "not contiguous",
        networks.ChannelsLastInside,
        ("stem", "norm", "mix", "permute", "conv", "expand"),
        SMALL_IMAGE,
    ),
    Case("view changed in place", networks.ViewTapped, ("flat", "act"), SMALL_IMAGE),
    Case("view changed after the tap", networks.ViewChangedLater, ("block",), SMALL_IMAGE),
    Case("list of branches", networks.ListOfBranches, ("branches.0", "branches.1.conv", "split.left"), SMALL_IMAGE),
    Case("gradients off inside", networks.NoGradBackbone, ("neck", "head"), SMALL_IMAGE, ("script",)),
    Case("activation changed later", networks.ChangedAfterActivation, ("stem", "block.0"), SMALL_IMAGE),
    Case("branch on the data", networks.DataDependent, ("conv", "merge"), SMALL_IMAGE, ("script",)),
]

OPTIONS = [
    Case("odd M", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, m_bins=51),
    Case("M = 2", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), m_bins=2),
    Case("M = 3", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), m_bins=3),
    Case("M = 1000", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), m_bins=1000),
    Case(
        "options per layer",
        networks.SmallResidualNet,
        SMALL_STAGES,
        SMALL_IMAGE,
        m_bins=(10, 51, 1000, 2),
        alpha=(1e6, 3e5, 2e4, 6543.21),
        o_star=(1, 3, 50, 7),
    ),
    Case(
        "layers in another order",
        networks.SmallResidualNet,
        ("avgpool", "layer1", "flatten", "layer3", "layer2"),
        SMALL_IMAGE,
        alpha=123456.0,
    ),
    Case("short last batch", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, fit=(16, 16, 1), score=(16, 2)),
    Case("batch size 1", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, fit=(1,) * 9, score=(1, 1, 1)),
    Case("large batches", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, fit=(130,), score=(97,)),
    Case("one thread", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, threads=1),
    Case("one layer", networks.SmallResidualNet, ("layer3",), SMALL_IMAGE, fit=(40,), score=(33,), o_star=2),
    Case("alpha huge", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), alpha=1e12),
    Case("alpha tiny", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), alpha=1e-6),
    Case("O* = 1", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), o_star=1),
    Case("O* huge", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, ("script",), o_star=10**9),
    Case("O* = 3, seven layers", networks.Cnn1d, tuple(f"features.{i}" for i in range(7)), (4, 64), o_star=3),
    Case("uniform bins", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, binning="uniform"),
    Case("uniform bins, odd M", networks.Mlp, ("0", "2", "4"), (20,), m_bins=37, binning="uniform"),
    Case("logit bins", networks.SmallResidualNet, SMALL_STAGES, SMALL_IMAGE, binning="logit"),
    Case("logit bins, odd M", networks.Mlp, ("0", "2", "4"), (20,), m_bins=(7, 1001, 2), binning="logit"),
]

CASES = [*TORCHVISION, *TIMM, *ARCHITECTURES, *GRAPHS, *OPTIONS]
