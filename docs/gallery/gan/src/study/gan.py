"""A generative adversarial network: two networks, each with an optimiser of its own, trained against each other."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GAN(pl.LightningModule):
    """Goodfellow et al. 2014, with the generator's loss that does not saturate.

    Logs `val/distance` and `test/distance`, Fréchet's between Gaussians with the pixels' means and standard deviations
    of as many real and made pictures: 0 where these agree.

    Args:
        shape: of a picture, [channels, height, width].
        noise: numbers that a picture is made of.
        width: units in the hidden layers.
        lr: learning rate of both optimisers.
    """

    def __init__(self, shape: list[int], noise: int, width: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        pixels = shape[0] * shape[1] * shape[2]
        self.generator = nn.Sequential(
            nn.Linear(noise, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, pixels)
        )
        self.discriminator = nn.Sequential(nn.Linear(pixels, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, noise: Tensor) -> Tensor:
        """Pictures [n, pixels] of noise [n, noise]."""
        return self.generator(noise)

    def made(self, examples: int) -> Tensor:
        """So many new pictures."""
        return self(torch.randn(examples, self.hparams.noise, device=self.device))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """A step of each optimiser: first the discriminator's."""
        real = batch[0].flatten(1)
        of_generator, of_discriminator = self.optimizers()

        self.toggle_optimizer(of_discriminator)
        says_real, says_made = self.discriminator(real), self.discriminator(self.made(len(real)).detach())
        loss = -F.logsigmoid(says_real).mean() - F.logsigmoid(-says_made).mean()
        self.step(of_discriminator, loss)

        self.toggle_optimizer(of_generator)
        loss = -F.logsigmoid(self.discriminator(self.made(len(real)))).mean()
        self.step(of_generator, loss)

    def step(self, optimizer: pl.core.optimizer.LightningOptimizer, loss: Tensor) -> None:
        """Lower a loss by the parameters of one optimiser."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.untoggle_optimizer(optimizer)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Compare made pictures with real ones."""
        self.log("val/distance", self.distance(batch[0].flatten(1)))

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """The same on the test set."""
        self.log("test/distance", self.distance(batch[0].flatten(1)))

    def distance(self, real: Tensor) -> Tensor:
        """How far made pictures are from real ones [n, pixels]."""
        made = self.made(len(real))
        return ((made.mean(0) - real.mean(0)) ** 2 + (made.std(0) - real.std(0)) ** 2).sum()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The generator's and the discriminator's."""
        parts = (self.generator, self.discriminator)
        return [torch.optim.Adam(part.parameters(), lr=self.hparams.lr, betas=(0.5, 0.999)) for part in parts]
