"""The LightningDataModule: one dataset's recipe, split, normalised and batched."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.data.bootstrap import bootstrap, read_weights
from encore.data.loaders import Loader, Memory, Order, Resident, Streamed
from encore.data.normalize import fit
from encore.data.sources import ArraySource, Source, open_source, verify
from encore.data.split import stratified
from encore.errors import ConfigError, InputError
from encore.record.checkpoint_files import digest

Gather = Resident | Streamed


class DataModule(pl.LightningDataModule):
    """Training, validation and test batches of a dataset.

    Args:
        recipe: the config's `data`, plain values.
        data_dir: where files are.
        seed: of the order of training examples.
        test: whether the test set may be looked at; if not, it is never opened.

    Batches are pairs of inputs, float32 [k, *shape], and class numbers, int64 [k], or numbers, float32 [k, 1], on the
    trainer's device.

    Attributes:
        split: which examples of the sources are for what.
        pool: the training examples before the bootstrap, each once.
    """

    def __init__(self, recipe: dict, data_dir: str, seed: int, test: bool = True) -> None:
        super().__init__()
        self.recipe, self.data_dir, self.seed, self.test = recipe, Path(data_dir), seed, test
        self.placed: dict[tuple[int, torch.device], Gather] = {}
        self.memory = Memory()
        self.test_source: Source | None = None
        self.loaded = False
        self.order_sha256 = hashlib.sha256().hexdigest()

    def setup(self, stage: str | None = None) -> None:
        """Open the sources, split them, and find the normalisation; once, whatever the stage.

        Raises:
            InputError: the data cannot be used.
            ConfigError: they do not fit the batch size or the fractions.
        """
        if self.loaded:
            return
        recipe = self.recipe
        verify(recipe, self.data_dir)
        self.source = open_source(recipe["train"], recipe, self.data_dir)
        parts = stratified(
            self.source.targets,
            val=recipe["val_fraction"],
            test=recipe["test_fraction"],
            fraction=recipe["fraction"],
            seed=recipe["split_seed"],
            folds=recipe.get("folds"),
            fold=recipe.get("fold", 0),
        )
        self.pool = parts.train
        self.split = replace(parts, train=self.resampled(parts.train))
        self.check_batch_size()
        self.test_source, self.test_indices = self.open_test()
        self.normalize = fit(recipe["normalize"], self.source, self.split.train, tuple(recipe["shape"]))
        self.loaded = True

    def resampled(self, pool: Tensor) -> Tensor:
        """The training examples: all of those that there are, or a bootstrap sample of them."""
        number, weights = self.recipe.get("bootstrap"), (self.recipe.get("weights") or {}).get("path")
        if number is None:
            return pool
        drawn_by = read_weights(Path(weights), len(self.source.targets)) if weights else None
        return bootstrap(pool, number, self.recipe["split_seed"], drawn_by)

    def open_test(self) -> tuple[Source | None, Tensor]:
        """The test examples: a source, and which of it they are; none of them where they may not be looked at."""
        recipe, none = self.recipe, self.split.test[:0]
        if not recipe.get("test"):
            return self.source, self.split.test if self.test else none
        if not self.test:
            return None, none
        source = open_source(recipe["test"], recipe, self.data_dir)
        return source, torch.arange(len(source.targets))

    def close_test(self) -> None:
        """Let go of a test set's memory until it is asked for: it is not looked at while a run trains."""
        source = self.test_source
        if self.recipe.get("test") and isinstance(source, ArraySource):
            self.test_sha256 = examples_sha256(source)
            self.placed = {key: placed for key, placed in self.placed.items() if key[0] != id(source)}
            self.test_source = None

    def opened_test(self) -> Source:
        """The test set, read again where it was let go of.

        Raises:
            InputError: it may not be looked at, cannot be read any more, or has changed.
        """
        if not self.test:
            raise InputError(f"the test set of data={self.recipe['name']} stays closed: the run has test=false")
        if self.test_source is None:
            source, self.test_indices = self.open_test()
            assert source is not None
            if examples_sha256(source) != self.test_sha256:
                raise InputError(
                    f"the test set of data={self.recipe['name']} has changed since the run began\n"
                    "bring its files back, and the same command goes on"
                )
            self.test_source = source
        return self.test_source

    def check_batch_size(self) -> None:
        """A batch holds no more than there is."""
        examples = len(self.split.train)
        if self.batch_size > examples:
            raise ConfigError(
                f"data.batch_size={self.batch_size} is more than the {examples} training examples; data.batch_size=all "
                "takes them all at once"
            )

    @property
    def batch_size(self) -> int:
        """Training examples in a batch, over all ranks together."""
        size = self.recipe["batch_size"]
        return len(self.split.train) if size == "all" else size

    @property
    def sizes(self) -> dict[str, int]:
        """Examples in each split."""
        return {"train": len(self.split.train), "val": len(self.split.val), "test": len(self.test_indices)}

    def train_order(self) -> Order:
        """Which training examples a batch holds."""
        return Order(
            self.split.train,
            self.batch_size,
            seed=self.seed if self.recipe["shuffle"] else None,
            drop_last=self.recipe["drop_last"],
            rank=self.rank,
            world_size=self.world_size,
        )

    @property
    def rank(self) -> int:
        """This process's place among those that train together."""
        return self.trainer.global_rank if self.trainer else 0

    @property
    def world_size(self) -> int:
        """How many processes train together."""
        return self.trainer.world_size if self.trainer else 1

    def train_dataloader(self) -> Loader:
        """Training batches, in an order of (seed, epoch)."""
        return self.loader(self.source, self.train_order(), training=True)

    def val_dataloader(self) -> Loader | list:
        """Validation batches, always in the same order; none without a validation set."""
        return self.evaluation(self.source, self.split.val)

    def test_dataloader(self) -> Loader | list:
        """Test batches, always in the same order; none without a test set."""
        return self.evaluation(self.opened_test(), self.test_indices)

    def evaluation(self, source: Source, indices: torch.Tensor) -> Loader | list:
        """Batches of one epoch, each example once."""
        if not len(indices):
            return []
        return self.loader(
            source, Order(indices, self.recipe["eval_batch_size"], rank=self.rank, world_size=self.world_size)
        )

    def loader(self, source: Source, order: Order, training: bool = False) -> Loader:
        """Batches of a source on the trainer's device."""
        trainer = self.trainer
        assert trainer is not None

        def position() -> tuple[int, int]:
            done = trainer.fit_loop.epoch_loop.batch_progress.current.ready if training else 0
            return trainer.current_epoch, done

        device = trainer.strategy.root_device
        gather = self.gather(source, device)
        return Loader(gather, order, self.normalize, device, self.memory, position, self.note if training else None)

    def note(self, epoch: int, indices: Tensor) -> None:
        """Chain an epoch's order to the digest of those before."""
        before = f"{self.order_sha256} {epoch}\n".encode()
        self.order_sha256 = hashlib.sha256(before + indices.numpy().tobytes()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """The digest of the orders so far."""
        return {"order_sha256": self.order_sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the digest."""
        self.order_sha256 = state_dict["order_sha256"]

    def gather(self, source: Source, device: torch.device) -> Gather:
        """Where a source's examples lie; made once a device, shared by its splits."""
        key = (id(source), device)
        if key not in self.placed:
            recipe = self.recipe
            self.placed[key] = (
                Resident(source, device)
                if recipe["resident"]
                else Streamed(source, recipe["num_workers"], pin_memory=device.type == "cuda")
            )
        return self.placed[key]

    def share(self, batch: int, here: int) -> float:
        """This rank's weight in the mean over a training batch, times the number of ranks.

        Ranks' gradients are averaged; where the last batch does not divide evenly, the mean over its
        examples weighs them by how many each rank had.
        """
        order = self.train_order()
        return here * order.world_size / order.batch_length(batch)


def examples_sha256(source: Source) -> str:
    """The digest of a source's inputs and targets."""
    return digest({name: value for name, value in vars(source).items() if isinstance(value, Tensor)})
