"""A convolutional autoencoder."""

from collections.abc import Sequence

from torch import nn


class ConvAutoencoder(nn.Sequential):
    """Halve a picture twice, squeeze it into `code` numbers, and draw it again from those.

    Args:
        in_shape: [channels, height, width] of a picture; height and width are multiples of 4.
        code: how many numbers stand for a picture.
        width: channels after the first halving.
    """

    def __init__(self, in_shape: Sequence[int], code: int, width: int) -> None:
        channels, height, across = in_shape
        small = (2 * width, height // 4, across // 4)
        size = small[0] * small[1] * small[2]
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(size, code),
            nn.Linear(code, size),
            nn.ReLU(),
            nn.Unflatten(1, small),
            nn.ConvTranspose2d(2 * width, width, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 2, stride=2),
        )
