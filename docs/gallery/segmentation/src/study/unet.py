"""A small U-Net (Ronneberger et al. 2015)."""

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """Two halvings of the picture, and back, with shortcuts between equal sizes.

    Args:
        channels: of a picture, whose height and width are multiples of 4.
        num_outputs: classes of a pixel.
        width: channels at full size; twice and four times as many further down.
    """

    def __init__(self, channels: int, num_outputs: int, width: int) -> None:
        super().__init__()
        self.down1, self.down2 = block(channels, width), block(width, 2 * width)
        self.bottom = block(2 * width, 4 * width)
        self.up2, self.up1 = block(6 * width, 2 * width), block(3 * width, width)
        self.smaller, self.larger = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
        self.head = nn.Conv2d(width, num_outputs, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits [n, num_outputs, h, w] of pictures [n, channels, h, w]."""
        whole = self.down1(pictures)
        half = self.down2(self.smaller(whole))
        quarter = self.bottom(self.smaller(half))
        half = self.up2(torch.cat([half, self.larger(quarter)], 1))
        return self.head(self.up1(torch.cat([whole, self.larger(half)], 1)))


def block(channels: int, width: int) -> nn.Sequential:
    """A convolution with batch norm and ReLU."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
