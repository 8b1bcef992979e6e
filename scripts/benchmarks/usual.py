"""The usual ways, for comparison: a DataLoader that transforms each example, and Lightning that logs each step."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchmetrics.classification import MulticlassAccuracy
from torchvision import datasets, transforms

from encore.config.build import build
from encore.data.module import DataModule


class Loaders:
    """Fashion-MNIST through torchvision's transforms, one example at a time, split and normalised as by Encore."""

    def __init__(self, cfg: dict) -> None:
        data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
        data.setup()
        center, scale = data.normalize.center.flatten() / 255, data.normalize.scale.flatten() * 255
        transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(center.tolist(), (1 / scale).tolist())]
        )
        everything = datasets.FashionMNIST(cfg["data_dir"], train=True, transform=transform)
        self.train = DataLoader(
            Subset(everything, data.split.train.tolist()), batch_size=cfg["data"]["batch_size"], shuffle=True
        )
        self.val = DataLoader(Subset(everything, data.split.val.tolist()), batch_size=cfg["data"]["eval_batch_size"])


class PlainLoop:
    """Training and validation in a plain loop over DataLoaders."""

    def __init__(self, cfg: dict) -> None:
        self.device = torch.device(cfg["trainer"]["accelerator"])
        self.loaders = Loaders(cfg)
        self.net = build(cfg["model"], what="model").to(self.device)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=cfg["optim"]["lr"])

    def epoch(self, epoch: int) -> None:
        """Train on every example once, then validate."""
        self.net.train()
        for inputs, targets in self.batches(self.loaders.train):
            loss = F.cross_entropy(self.net(inputs), targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.net.eval()
        with torch.inference_mode():
            for inputs, targets in self.batches(self.loaders.val):
                logits = self.net(inputs)
                self.val_loss = F.cross_entropy(logits, targets)
                self.val_accuracy = (logits.argmax(1) == targets).float().mean()

    def batches(self, loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in loader:
            yield inputs.to(self.device), targets.to(self.device)


class UsualModule(pl.LightningModule):
    """A classifier as most LightningModules are written: each step logs its loss and a metric."""

    def __init__(self, net: nn.Module, num_classes: int, lr: float) -> None:
        super().__init__()
        self.net, self.lr = net, lr
        self.train_accuracy, self.val_accuracy = MulticlassAccuracy(num_classes), MulticlassAccuracy(num_classes)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        inputs, targets = batch
        logits = self.net(inputs)
        loss = F.cross_entropy(logits, targets)
        self.train_accuracy(logits, targets)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log("train/accuracy", self.train_accuracy, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        inputs, targets = batch
        logits = self.net(inputs)
        self.val_accuracy(logits, targets)
        self.log("val/loss", F.cross_entropy(logits, targets), prog_bar=True)
        self.log("val/accuracy", self.val_accuracy, prog_bar=True)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class EpochStarts(pl.Callback):
    """Calls something at the beginning of every epoch."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Called when the previous epoch is done."""
        self.action()


def train(cfg: dict, folder: Path, epoch_starts: Callable[[], None]) -> None:
    """Train the usual way, with Lightning's logger, progress bar and checkpoints as they are by default."""
    loaders = Loaders(cfg)
    task = UsualModule(build(cfg["model"], what="model"), cfg["data"]["num_classes"], cfg["optim"]["lr"])
    trainer = pl.Trainer(
        accelerator=cfg["trainer"]["accelerator"],
        devices=1,
        max_epochs=cfg["trainer"]["max_epochs"],
        limit_val_batches=None if cfg["data"]["val_fraction"] else 0,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(folder),
        callbacks=[EpochStarts(epoch_starts), ModelCheckpoint()],
        default_root_dir=folder,
    )
    trainer.fit(task, loaders.train, loaders.val)
