"""Lightning modules of one's own, of pictures: what Encore's contract asks of them is one attribute or method each."""

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Bright(pl.LightningDataModule):
    """Pictures [1, 4, 4] of two classes, dark and bright; normalised by its own hand."""

    classes = ("dark", "bright")

    def setup(self, stage):
        generator = torch.Generator().manual_seed(0)
        y = torch.arange(60) % 2
        x = 0.4 * torch.rand(60, 1, 4, 4, generator=generator) + 0.5 * y[:, None, None, None] - 0.5
        self.held = TensorDataset(x, y)

    def train_dataloader(self):
        return DataLoader(self.held, batch_size=10)

    def val_dataloader(self):
        return DataLoader(self.held, batch_size=20)

    def test_dataloader(self):
        return DataLoader(self.held, batch_size=20)


class Readable(Bright):
    def to_input(self, picture):
        values = np.asarray(picture.convert("L").resize((4, 4)), np.float32)
        return torch.from_numpy(values)[None] / 255 - 0.5


class Odd(Readable):
    """Its batches are dicts."""

    def test_dataloader(self):
        return DataLoader([{"x": torch.zeros(1, 4, 4)}] * 2, batch_size=2)


class Lit(pl.LightningModule):
    def __init__(self, width=2):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, width))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, _):
        return self.loss(*batch)

    def loss(self, x, y):
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(*batch))

    def test_step(self, batch, batch_index):
        x, y = batch if isinstance(batch, list) else (batch["x"], torch.zeros(2, dtype=torch.long))
        self.log("test_loss", self.loss(x, y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.1)


class Classes(Lit):
    predicts = "classes"


class Pixels(Lit):
    """Of each pixel, whether it is bright."""

    predicts = "pixels"

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(1, 2, 1)

    def loss(self, x, y):
        return F.cross_entropy(self(x), (x[:, 0] > 0).long())


class Wrong(Lit):
    predicts = "pixels"


class Unknown(Lit):
    predicts = "everything"
