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
        writers: how many the training set has; the weights of `head`, a row each, are for the classification loss.
    """

    def __init__(
        self, in_shape: Sequence[int], width: int, channels: Sequence[int], writers: int, depth: int = 1
    ) -> None:
        super().__init__()
        if min(width, writers) < 2:
            raise ValueError(f"width and writers must be at least 2, not {width} and {writers}")
        self.body = CNN(in_shape, width, channels, depth)
        self.head = nn.Linear(width, writers, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings of length 1, [n, width], of pictures [n, *in_shape]."""
        return F.normalize(self.body(inputs))
