"""The EfficientNet-Lite networks, built around the weights of a PyTorch state dict.

EfficientNet-Lite is EfficientNet without squeeze-and-excitation, with ReLU6 in place of
swish, and with a stem, a head, and first and last stages that do not grow with the scaling
coefficients (M. Tan and Q. Le, "EfficientNet", ICML 2019; "EfficientNet-Lite", 2020).
"""

import math
from dataclasses import dataclass

import numpy as np

from . import ConversionError
from .graph import INPUT, Graph, fold_batch_norm
from .state_dict import read_state_dict
from .weights import Weights

CLASSES = 1000
EPSILON = 1e-3
STEM, HEAD = 32, 1280


@dataclass(frozen=True)
class _Stage:
    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


_STAGES = (
    _Stage(kernel=3, stride=1, expansion=1, channels=16, repeats=1),
    _Stage(kernel=3, stride=2, expansion=6, channels=24, repeats=2),
    _Stage(kernel=5, stride=2, expansion=6, channels=40, repeats=2),
    _Stage(kernel=3, stride=2, expansion=6, channels=80, repeats=3),
    _Stage(kernel=5, stride=1, expansion=6, channels=112, repeats=3),
    _Stage(kernel=5, stride=2, expansion=6, channels=192, repeats=4),
    _Stage(kernel=3, stride=1, expansion=6, channels=320, repeats=1),
)


@dataclass(frozen=True)
class _Variant:
    width: float
    depth: float
    size: int


_VARIANTS = {
    0: _Variant(width=1.0, depth=1.0, size=224),
    1: _Variant(width=1.0, depth=1.1, size=240),
    2: _Variant(width=1.1, depth=1.2, size=260),
}


def convert_efficientnet_lite(state_dict: bytes, variant: int) -> bytes:
    """ONNX model with output `logits` from the .pth file of EfficientNet-Lite `variant`."""
    if variant not in _VARIANTS:
        raise ConversionError(f"EfficientNet-Lite {variant} is not known")
    network = _VARIANTS[variant]
    arrays = read_state_dict(state_dict)
    # A training counter of each batch norm; inference has no use for it.
    weights = Weights({n: a for n, a in arrays.items() if not n.endswith("num_batches_tracked")})
    return _Builder(weights).build(network)


class _Builder:
    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.graph = Graph()

    def build(self, network: _Variant) -> bytes:
        x = self.conv_norm(INPUT, "_conv_stem", "_bn0", (STEM, 3, 3, 3), stride=2)
        x = self.graph.clip(x, 0, 6)
        channels, index = STEM, 0
        for number, stage in enumerate(_STAGES):
            fixed = number in (0, len(_STAGES) - 1)
            repeats = stage.repeats if fixed else math.ceil(stage.repeats * network.depth)
            width = _scale_channels(stage.channels, network.width)
            for repeat in range(repeats):
                stride = stage.stride if repeat == 0 else 1
                x = self.block(x, f"_blocks.{index}.", stage, channels, width, stride)
                channels, index = width, index + 1
        x = self.conv_norm(x, "_conv_head", "_bn1", (HEAD, channels, 1, 1))
        x = self.graph.clip(x, 0, 6)
        x = self.graph.node("GlobalAveragePool", [x])
        x = self.graph.node("Flatten", [x], axis=1)
        kernel = self.graph.constant(self.weights.take("_fc.weight", (CLASSES, HEAD)))
        bias = self.graph.constant(self.weights.take("_fc.bias", (CLASSES,)))
        x = self.graph.node("Gemm", [x, kernel, bias], transB=1)
        self.weights.finish()
        return self.graph.finish(x, "logits", CLASSES, (network.size, network.size))

    def block(
        self, x: str, prefix: str, stage: _Stage, channels: int, width: int, stride: int
    ) -> str:
        """Inverted residual: expand, depthwise, project; plus the input where shapes agree."""
        inner = channels * stage.expansion
        y = x
        if stage.expansion != 1:
            y = self.conv_norm(
                y, prefix + "_expand_conv", prefix + "_bn0", (inner, channels, 1, 1)
            )
            y = self.graph.clip(y, 0, 6)
        y = self.conv_norm(
            y,
            prefix + "_depthwise_conv",
            prefix + "_bn1",
            (inner, 1, stage.kernel, stage.kernel),
            stride=stride,
            groups=inner,
        )
        y = self.graph.clip(y, 0, 6)
        y = self.conv_norm(y, prefix + "_project_conv", prefix + "_bn2", (width, inner, 1, 1))
        if stride == 1 and channels == width:
            y = self.graph.node("Add", [y, x])
        return y

    def conv_norm(
        self, x: str, conv: str, norm: str, shape: tuple, stride: int = 1, groups: int = 1
    ) -> str:
        """Convolution with the batch norm that follows it folded in."""

        def statistic(name: str) -> np.ndarray:
            return self.weights.take(f"{norm}.{name}", shape[:1])

        kernel, bias = fold_batch_norm(
            self.weights.take(f"{conv}.weight", shape),
            statistic("weight"),
            statistic("bias"),
            statistic("running_mean"),
            statistic("running_var"),
            EPSILON,
        )
        return self.graph.conv(
            x, kernel, bias, strides=(stride, stride), padding="SAME", groups=groups
        )


def _scale_channels(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 but not below 90 %."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
