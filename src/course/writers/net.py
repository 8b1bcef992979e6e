"""A net that places digits so that those of one writer are near each other."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from encore.models.cnn import CNN


class Embedder(nn.Module):
    """A convolutional net whose output is a point on the sphere.

    Args:
        in_shape: channels, height and width of a picture.
        width: numbers of an embedding.
        channels: of each stage of the convolutional net.
        depth: convolutions in a stage.
        writers: how many the training set has; for the classification loss alone. 0: none.
    """

    def __init__(
        self, in_shape: Sequence[int], width: int, channels: Sequence[int], depth: int = 1, writers: int = 0
    ) -> None:
        super().__init__()
        if width < 2 or writers < 0:
            raise ValueError(f"width must be at least 2, not {width}, and writers at least 0, not {writers}")
        self.body = CNN(in_shape, width, channels, depth)
        self.head = nn.Linear(width, writers, bias=False) if writers else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings of length 1, [n, width], of pictures [n, *in_shape]."""
        return F.normalize(self.body(inputs))
