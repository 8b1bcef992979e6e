"""The wide residual net."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 × 3 convolutions, each after batch norm and ReLU, with a residual connection."""

    def __init__(self, before: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)
        same = before == width and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features [n, width, h / stride, w / stride]."""
        active = F.relu(self.norm1(inputs))
        skipped = inputs if self.shortcut is None else self.shortcut(active)
        return skipped + self.conv2(self.dropout(F.relu(self.norm2(self.conv1(active)))))


class WideResNet(nn.Module):
    """Wide ResNet (Zagoruyko and Komodakis 2016), with three groups of blocks.

    Args:
        in_shape: channels, height and width of a picture.
        num_outputs: number of outputs.
        depth: convolutions along the longest path, 6 · k + 4.
        widen_factor: width as a multiple of the plain ResNet's.
        dropout: dropout probability between a block's convolutions.

    Inputs [n, *in_shape], outputs logits [n, num_outputs].
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        depth: int = 28,
        widen_factor: int = 10,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth must be 6 · k + 4, such as 10, 16, 28 or 40, not {depth}")
        if widen_factor < 1:
            raise ValueError(f"widen_factor must be at least 1, not {widen_factor}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")
        if len(in_shape) != 3:
            raise ValueError(f"a wide ResNet needs inputs of [channels, height, width], not {list(in_shape)}")
        blocks, before = (depth - 4) // 6, 16
        self.stem = nn.Conv2d(in_shape[0], before, 3, padding=1, bias=False)
        groups: list[nn.Module] = []
        for group in range(3):
            width = 16 * 2**group * widen_factor
            for block in range(blocks):
                groups.append(Block(before, width, 2 if group and not block else 1, dropout))
                before = width
        self.groups = nn.Sequential(*groups)
        self.norm = nn.BatchNorm2d(before)
        self.classifier = nn.Linear(before, num_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        features = F.relu(self.norm(self.groups(self.stem(inputs))))
        return self.classifier(features.mean((2, 3)))
