"""A user's networks and data, for tests of what our tasks accept."""

from types import SimpleNamespace

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader


class TwoInputs(nn.Module):
    """Takes two inputs by name and returns an object with logits, as Hugging Face's models do."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, left, right):
        return SimpleNamespace(logits=self.left(left) + self.right(right))


class Examples(pl.LightningDataModule):
    """Batches of one kind."""

    def __init__(self, kind: str):
        super().__init__()
        x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
        classes = (x[:, :3]).argmax(1)
        self.examples = {
            "two": [({"left": row[:4], "right": row[4:]}, target) for row, target in zip(x, classes, strict=True)],
            "labels": [(row, (row[:3] > 0).long()) for row in x],
            "masks": [(row.view(1, 2, 3), (row > 0).long().view(2, 3)) for row in x],
            "rgb": [(row.repeat(32).view(3, 8, 8), target) for row, target in zip(x, classes, strict=True)],
            "one": list(zip(x, classes, strict=True)),
        }[kind]

    def train_dataloader(self):
        return DataLoader(self.examples, batch_size=16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.examples, batch_size=25)

    def test_dataloader(self):
        return DataLoader(self.examples, batch_size=25)


class Pixels(nn.Module):
    """Two classes per pixel."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 1)

    def forward(self, pictures):
        return {"out": self.layer(pictures)}
