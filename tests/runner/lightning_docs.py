"""Modules as Lightning's documentation has them: nothing in them knows of Encore."""

import random

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Noisy(TensorDataset):
    """Draws from every generator when an example is read, as augmentations do."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.randn(()) + 0.1 * random.random() + 0.1 * np.random.rand(), y


class LitData(pl.LightningDataModule):
    def __init__(self, data_dir: str = "./", batch_size: int = 32, num_workers: int = 0):
        super().__init__()
        self.data_dir, self.batch_size, self.num_workers = data_dir, batch_size, num_workers

    def setup(self, stage: str):
        generator = torch.Generator().manual_seed(42)
        x = torch.randn(160, 8, generator=generator)
        full = Noisy(x, (x.sum(1) > 0).long())
        self.train, self.val, self.test = random_split(full, [96, 32, 32], generator=generator)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True, num_workers=self.num_workers)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=self.batch_size)


class LitModel(pl.LightningModule):
    def __init__(self, hidden: int = 16, learning_rate: float = 0.01):
        super().__init__()
        self.save_hyperparameters()
        self.l1 = nn.Linear(8, hidden)
        self.drop = nn.Dropout(0.2)
        self.l2 = nn.Linear(hidden, 2)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes=2)

    def forward(self, x):
        return self.l2(self.drop(torch.relu(self.l1(x))))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.accuracy(self(x), y)
        self.log("val_loss", F.cross_entropy(self(x), y))
        self.log("val_acc", self.accuracy)

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_loss", F.cross_entropy(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)


class Logging(LitModel):
    """Logs within a step, with means over the epoch."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss


class LooksBack(LitModel):
    """Keeps what its steps gave until the epoch ends."""

    def __init__(self):
        super().__init__()
        self.outputs = []

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.outputs.append(loss.detach())
        return loss

    def on_train_epoch_end(self):
        self.log("train_mean", torch.stack(self.outputs).mean())
        self.outputs.clear()


class Counting(LitModel):
    """Counts in a metric that is not persistent."""

    def __init__(self):
        super().__init__()
        self.seen = torchmetrics.MetricCollection({"auroc": torchmetrics.classification.BinaryAUROC()})

    resumes_within_epochs = True

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.seen.update(logits.softmax(1)[:, 1].detach(), y)
        return F.cross_entropy(logits, y)

    def on_train_epoch_end(self):
        self.log_dict(self.seen.compute())
        self.seen.reset()


class Accumulating(LitModel):
    """Gradients of three batches are added up by hand, as in the documentation of manual optimisation."""

    def __init__(self, hidden: int = 16, learning_rate: float = 0.01):
        super().__init__(hidden, learning_rate)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer, loss = self.optimizers(), super().training_step(batch, batch_idx)
        self.manual_backward(loss)
        if (batch_idx + 1) % 3 == 0:
            optimizer.step()
            optimizer.zero_grad()


class GAN(pl.LightningModule):
    """Two optimisers by hand, as in the documentation of manual optimisation."""

    def __init__(self, latent: int = 4):
        super().__init__()
        self.save_hyperparameters()
        self.generator = nn.Sequential(nn.Linear(latent, 16), nn.ReLU(), nn.Linear(16, 8))
        self.discriminator = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
        self.automatic_optimization = False

    def forward(self, z):
        return self.generator(z)

    def training_step(self, batch):
        real, _ = batch
        optimizer_g, optimizer_d = self.optimizers()
        z = torch.randn(len(real), self.hparams.latent, device=self.device)
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)

        self.toggle_optimizer(optimizer_g)
        g_loss = F.binary_cross_entropy_with_logits(self.discriminator(self(z)), ones)
        optimizer_g.zero_grad()
        self.manual_backward(g_loss)
        optimizer_g.step()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real_loss = F.binary_cross_entropy_with_logits(self.discriminator(real), ones)
        fake_loss = F.binary_cross_entropy_with_logits(self.discriminator(self(z).detach()), zeros)
        d_loss = (real_loss + fake_loss) / 2
        optimizer_d.zero_grad()
        self.manual_backward(d_loss)
        optimizer_d.step()
        self.untoggle_optimizer(optimizer_d)
        self.log("g_loss", g_loss)
        self.log("d_loss", d_loss)

    def validation_step(self, batch, batch_idx):
        real, _ = batch
        fake = self(torch.randn(len(real), self.hparams.latent))
        self.log("val_distance", (fake.mean(0) - real.mean(0)).norm())

    def configure_optimizers(self):
        return torch.optim.Adam(self.generator.parameters(), lr=0.01), torch.optim.Adam(self.discriminator.parameters())


class Siamese(pl.LightningModule):
    """A loss of two nets over pairs, given as a dict."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(8, 4), nn.Linear(8, 4)

    def training_step(self, batch, batch_idx):
        distance = (self.one(batch["left"]) - self.other(batch["right"])).norm(dim=1)
        return {"loss": torch.where(batch["same"], distance**2, F.relu(1 - distance) ** 2).mean()}

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.training_step(batch, batch_idx)["loss"])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]


class Pairs(pl.LightningDataModule):
    def prepare_data(self):
        x = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
        self.examples = [{"left": x[i], "right": x[i // 2], "same": torch.tensor(i % 2 == 0)} for i in range(64)]

    def train_dataloader(self):
        return DataLoader(self.examples, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(3))

    def val_dataloader(self):
        return DataLoader(self.examples, batch_size=16)


class TakesNet(pl.LightningModule):
    """Takes the recipe of a network, and nothing else of Encore's."""

    def __init__(self, net: dict):
        super().__init__()
        from encore.config.build import build

        self.net = build(net, what="model")

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
