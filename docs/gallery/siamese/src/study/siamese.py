"""A siamese net: two pictures go through the same encoder, and their distance tells whether they are of one class."""

import torch
from torch import Tensor, nn


class Siamese(nn.Module):
    """One encoder for both pictures.

    Args:
        side: height and width of a picture in pixels.
        width: channels of the first convolution.
        embedding: numbers that stand for a picture.
    """

    def __init__(self, side: int, width: int, embedding: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * (side // 2) ** 2, embedding),
        )
        self.threshold, self.scale = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(1.0))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Logits [n, 1] of being the same, of pictures [n, 1, side, side]; the names are those of data.inputs."""
        distance = (self.encoder(left) - self.encoder(right) + 1e-6).norm(dim=1, keepdim=True)
        return self.scale * (self.threshold - distance)
