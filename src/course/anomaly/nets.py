"""Nets that give each picture a number: how far it is from those that they were trained on."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

SLOPE = 0.1  # of the leaky ReLU, as Ruff et al. (2018) have it


def checked(**sizes: int) -> None:
    if wrong := [name for name, size in sizes.items() if size < 1]:
        raise ValueError(f"{wrong[0]} must be at least 1, not {sizes[wrong[0]]}")


def decoder(code: int, width: int, pixels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(code, width), nn.LeakyReLU(SLOPE), nn.Linear(width, pixels))


def squared_error(made: Tensor, inputs: Tensor) -> Tensor:
    """Summed over the pixels, [n]."""
    return (made - inputs.flatten(1)).square().sum(1)


class Autoencoder(nn.Module):
    """A dense autoencoder; a picture's number is its squared error of reconstruction.

    Args:
        in_shape: of a picture.
        width: units of the hidden layers.
        code: numbers that a picture is squeezed into.

    Inputs [n, *in_shape], outputs [n, 1].
    """

    def __init__(self, in_shape: Sequence[int], width: int = 128, code: int = 32) -> None:
        super().__init__()
        checked(width=width, code=code)
        pixels = math.prod(in_shape)
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(SLOPE), nn.Linear(width, code)
        )
        self.decoder = decoder(code, width, pixels)

    def reconstruct(self, inputs: Tensor) -> Tensor:
        return self.decoder(self.encoder(inputs)).view(inputs.shape)

    def forward(self, inputs: Tensor) -> Tensor:
        return squared_error(self.decoder(self.encoder(inputs)), inputs)[:, None]


class VariationalAutoencoder(nn.Module):
    """A dense variational autoencoder (Kingma and Welling 2014); a picture's number is minus its evidence lower bound.

    Constants are left out of the bound. While it trains, a code is drawn for each picture; else it is the mean.

    Args:
        in_shape: of a picture.
        width: units of the hidden layers.
        code: numbers that a picture is squeezed into.
        noise: standard deviation of a pixel about its reconstruction.

    Inputs [n, *in_shape], outputs [n, 1].
    """

    def __init__(self, in_shape: Sequence[int], width: int = 128, code: int = 32, noise: float = 0.1) -> None:
        super().__init__()
        checked(width=width, code=code)
        if not noise > 0:
            raise ValueError(f"noise must be above 0, not {noise}")
        pixels = math.prod(in_shape)
        self.noise = noise
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(SLOPE), nn.Linear(width, 2 * code)
        )
        self.decoder = decoder(code, width, pixels)

    def reconstruct(self, inputs: Tensor) -> Tensor:
        mean, _ = self.encoder(inputs).chunk(2, 1)
        return self.decoder(mean).view(inputs.shape)

    def forward(self, inputs: Tensor) -> Tensor:
        mean, log_variance = self.encoder(inputs).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
        return (squared_error(self.decoder(code), inputs) / (2 * self.noise**2) + divergence)[:, None]


class DeepSVDD(nn.Module):
    """One-class deep SVDD (Ruff et al. 2018): a picture's number is its code's squared distance from a centre.

    The centre is the mean code of the training pictures under the first weights. No layer has a bias: with one the net
    could map every picture to the centre.

    Args:
        in_shape: of a picture.
        width: units of the hidden layer.
        code: numbers that a picture is mapped to.

    Inputs [n, *in_shape], outputs [n, 1].
    """

    centre: Tensor

    def __init__(self, in_shape: Sequence[int], width: int = 128, code: int = 32) -> None:
        super().__init__()
        checked(width=width, code=code)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(in_shape), width, bias=False),
            nn.BatchNorm1d(width, affine=False),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, code, bias=False),
        )
        self.register_buffer("centre", torch.zeros(code))

    def see(self, inputs: Tensor) -> None:
        """Find the centre, of all training pictures."""
        with torch.no_grad():
            self.centre.copy_(self.encoder(inputs).mean(0))

    def forward(self, inputs: Tensor) -> Tensor:
        return (self.encoder(inputs) - self.centre).square().sum(1, keepdim=True)
