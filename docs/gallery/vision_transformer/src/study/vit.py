"""A small vision transformer (Dosovitskiy et al. 2021)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class VisionTransformer(nn.Module):
    """Cut pictures into patches, and let a transformer attend to them.

    Args:
        in_shape: [channels, height, width] of a picture.
        num_outputs: classes.
        patch: height and width of a patch in pixels.
        width: numbers that stand for a patch; a multiple of `heads`.
        depth: layers of the transformer.
        heads: of its attention.
        dropout: probability.
    """

    def __init__(
        self, in_shape: Sequence[int], num_outputs: int, patch: int, width: int, depth: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        channels, height, across = in_shape
        if height % patch or across % patch:
            raise ValueError(f"patch must divide {height} and {across}, not {patch}")
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.place = nn.Parameter(0.02 * torch.randn(1, 1 + height * across // patch**2, width))
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits [n, num_outputs] of pictures [n, channels, height, width]."""
        patches = self.patches(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(patches), -1, -1), patches], 1) + self.place
        return self.head(self.encoder(tokens)[:, 0])
