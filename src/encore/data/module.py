"""The LightningDataModule: one dataset's recipe, split, normalised and batched."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.config.build import build
from encore.data import node
from encore.data.balance import balanced, thinned
from encore.data.batch import AnyBatch
from encore.data.bootstrap import bootstrap, read_weights
from encore.data.classes import match
from encore.data.contract import Source
from encore.data.fetching import verify
from encore.data.loaders import Loader, Order, Resident, Streamed
from encore.data.named.buckets import BucketedOrder, bucket_settings, lengths_of
from encore.data.named.loader import Assembly, NamedLoader, example, fit_named
from encore.data.named.named_source import NamedSource
from encore.data.normalize import Affine, fit_once
from encore.data.notes import notes
from encore.data.placement import Placement, examples_sha256
from encore.data.prepare import Preparation, fitted, prepared
from encore.data.sources import open_source
from encore.data.split import Split, grouped, strata, stratified
from encore.data.targets import check_number_of_targets, fit_targets
from encore.errors import ConfigError, InputError
from encore.fast.memory import Memory


class DataModule(pl.LightningDataModule):
    """Training, validation and test batches of a dataset.

    Args:
        recipe: the config's `data`, plain values.
        data_dir: where files are.
        seed: determines the order of training examples.
        test: whether the test set may be read; if not, it is never opened.

    Batches are pairs of inputs, float32 [k, *shape], and class numbers, int64 [k], or numbers, float32 [k, 1], on the
    trainer's device. Where the recipe has `inputs`, they are as `encore.data.contract` says.

    Attributes:
        split: indices of the training, validation and test examples in the sources.
        pool: the training examples before the bootstrap, each once.
        preparation: what `data.prepare` learned from the training examples.
        target_affine: how a task normalises targets, which batches hold as they are; None: not at all.
        notes: what is worth knowing of the examples, in lines.
    """

    by_place = True  # see encore.runner.contracts

    def __init__(self, recipe: dict, data_dir: str, seed: int, test: bool = True) -> None:
        super().__init__()
        self.recipe, self.data_dir, self.seed, self.test = recipe, Path(data_dir), seed, test
        self.placement = Placement(recipe)
        self.affines: dict[str, Affine] = {}
        self.preparation: Preparation | None = None
        self.target_affine: Affine | None = None
        self.lengths: Tensor | None = None
        self.memory = Memory()
        self.test_source: Source | None = None
        self.node = node.here.get()
        self.loaded, self.notes = False, list[str]()
        self.order_sha256 = hashlib.sha256().hexdigest()

    def setup(self, stage: str | None = None) -> None:
        """Open the sources, split them and fit the normalisation; once, whatever the stage.

        Raises:
            InputError: the data cannot be used.
            ConfigError: they do not fit the batch size or the fractions.
        """
        if self.loaded:
            return
        recipe = self.recipe
        self.source = self.read("train")
        check_number_of_targets(recipe, self.source)
        parts = self.parts()
        if keep := recipe.get("keep"):
            parts = thinned(
                parts, self.classes(), keep, recipe["split_seed"], self.source.classes, recipe.get("classes")
            )
        self.pool = parts.train
        self.split = replace(parts, train=self.resampled(parts.train))
        self.check_batch_size()
        if recipe.get("prepare"):
            self.preparation = fitted(recipe["prepare"], self.source, self.split.train)
            self.source = prepared(self.preparation, self.source)
        self.test_source, self.test_indices = self.open_test()
        self.find_normalisation()
        self.notes = notes(self)
        self.bucket = bucket_settings(recipe)
        if self.bucket is not None:
            if not isinstance(self.source, NamedSource):
                raise ConfigError(f"data.bucket={self.bucket[0]}: data={recipe['name']} has no ragged arrays")
            self.lengths = lengths_of(self.source, self.bucket[0])
        self.loaded = True

    def read(self, which: str) -> Source:
        """The source of the training or the test examples, which the ranks of one machine read once.

        Raises:
            InputError: it cannot be used.
        """

        def read() -> Source:
            if which == "train":
                verify(self.recipe, self.data_dir)
            return open_source(self.recipe[which], self.recipe, self.data_dir)

        return read() if self.node is None else self.node.source(read)

    def parts(self) -> Split:
        """Which examples of the training source are for what, before the bootstrap."""
        recipe, groups = self.recipe, self.recipe.get("group_by")
        settings = {
            "val": recipe["val_fraction"],
            "test": recipe["test_fraction"],
            "fraction": recipe["fraction"],
            "seed": recipe["split_seed"],
            "folds": recipe.get("folds"),
            "fold": recipe.get("fold", 0),
        }
        if groups is None:
            return stratified(strata(self.source, recipe.get("stratify")), **settings)
        if not isinstance(self.source, NamedSource):
            raise ConfigError(f"data.group_by={groups} names an array, and this dataset has no data.inputs")
        if recipe.get("stratify"):
            raise ConfigError(f"data.group_by={groups} keeps groups whole, and data.stratify would divide them")
        return grouped(self.source.groups(groups), **settings)

    def classes(self) -> Tensor:
        """Class numbers of all examples of the training source, int64 [n].

        Raises:
            ConfigError: the targets are something else.
        """
        found = strata(self.source, None)
        if found.ndim != 1 or found.is_floating_point():
            raise ConfigError(
                f"data={self.recipe['name']} has no class number for each example, which data.keep, data.sampling and "
                "task.class_weights=balanced are about"
            )
        return found

    def class_counts(self, classes: int | None) -> Tensor:
        """Training examples of each class, int64 [classes]."""
        return self.classes()[self.split.train].bincount(minlength=classes or 0)

    def find_normalisation(self) -> None:
        norm, source = self.recipe["normalize"], self.source
        if isinstance(source, NamedSource):
            self.affines = fit_named(norm, source, self.split.train)
        else:
            shape = self.recipe["shape"] if isinstance(self.recipe["shape"], list) else source.read([0]).shape[1:]
            self.normalize = fit_once(norm, source, self.split.train, tuple(shape))
        self.target_affine = fit_targets(self.recipe, source, self.split.train)

    def example(self, count: int = 2) -> AnyBatch:
        """A batch of the first training examples, on the CPU and without augmentation, to try a task on."""
        indices = self.split.train[:count]
        if isinstance(self.source, NamedSource):
            return example(self.source, self.affines, indices)
        return self.normalize(self.source.read(indices.tolist())), self.source.targets[indices]

    def resampled(self, pool: Tensor) -> Tensor:
        """All training examples, or a bootstrap sample of them."""
        number, weights = self.recipe.get("bootstrap"), (self.recipe.get("weights") or {}).get("path")
        if number is None:
            return pool
        drawn_by = read_weights(Path(weights), len(self.source)) if weights else None
        return bootstrap(pool, number, self.recipe["split_seed"], drawn_by)

    def open_test(self) -> tuple[Source | None, Tensor]:
        """The test source and the indices of its test examples; no indices if the test set must stay closed."""
        recipe, none = self.recipe, self.split.test[:0]
        if not recipe.get("test"):
            return self.source, self.split.test if self.test else none
        if not self.test:
            return None, none
        source = self.read("test")
        if isinstance(source, NamedSource) != isinstance(self.source, NamedSource):
            raise InputError(
                f"data={recipe['name']}: the test set's arrays have other types than the training set's; set a "
                "dtype for both in data.inputs and data.targets"
            )
        if self.preparation is not None:
            source = prepared(self.preparation, source)
        match(source, self.source, recipe["name"])
        return source, torch.arange(len(source))

    def close_test(self) -> None:
        """Free a test set's memory until it is needed: a run does not use it while it trains."""
        source = self.test_source
        if self.recipe.get("test") and source is not None and source.tensors() is not None:  # files watch themselves
            self.test_sha256 = examples_sha256(source)
            self.placement.forget(source)
            self.test_source = None

    def opened_test(self) -> Source:
        """The test set, read again if its memory was freed.

        Raises:
            InputError: it must stay closed, can no longer be read, or has changed.
        """
        if not self.test:
            raise InputError(f"the test set of data={self.recipe['name']} stays closed: the run has test=false")
        if self.test_source is None:
            source, self.test_indices = self.open_test()
            assert source is not None
            if examples_sha256(source) != self.test_sha256:
                raise InputError(
                    f"the test set of data={self.recipe['name']} has changed since the run began\n"
                    "restore its files, and the same command continues the run"
                )
            self.test_source = source
        return self.test_source

    def check_batch_size(self) -> None:
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
        return {"train": len(self.split.train), "val": len(self.split.val), "test": len(self.test_indices)}

    def train_order(self) -> Order:
        order = Order(
            self.split.train,
            self.batch_size,
            seed=self.seed if self.recipe["shuffle"] else None,
            drop_last=self.recipe["drop_last"],
            rank=self.rank,
            world_size=self.world_size,
        )
        if recipe := self.recipe.get("order"):
            made = build(recipe, order, self.source, what="data.order")
            if not isinstance(made, Order):
                raise ConfigError(f"data.order._target_={recipe['_target_']} makes a {type(made).__name__}, no Order")
            return made
        if self.recipe.get("sampling") == "balanced":
            return balanced(order, self.classes())
        if self.lengths is None or self.bucket is None:
            return order
        return BucketedOrder(**vars(order), lengths=self.lengths, pool=self.bucket[1])

    @property
    def rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def train_dataloader(self) -> Loader:
        return self.loader(self.source, self.train_order(), training=True)

    def val_dataloader(self) -> Loader | list:
        """Validation batches, always in the same order; an empty list without a validation set."""
        return self.evaluation(self.source, self.split.val)

    def test_dataloader(self) -> Loader | list:
        """Test batches, always in the same order; an empty list without a test set."""
        return self.evaluation(self.opened_test(), self.test_indices)

    def evaluation(self, source: Source, indices: torch.Tensor) -> Loader | list:
        if not len(indices):
            return []
        return self.loader(
            source, Order(indices, self.recipe["eval_batch_size"], rank=self.rank, world_size=self.world_size)
        )

    def loader(self, source: Source, order: Order, training: bool = False) -> Loader:
        trainer = self.trainer
        assert trainer is not None

        def position() -> tuple[int, int]:
            done = trainer.fit_loop.epoch_loop.batch_progress.current.ready if training else 0
            return trainer.current_epoch, done

        device = trainer.strategy.root_device
        began = self.note if training else None
        gather = self.placement.of(source, device)
        if isinstance(gather, Resident | Streamed):
            return Loader(gather, order, self.normalize, device, self.memory, position, began)
        assert isinstance(source, NamedSource)
        assembly = Assembly(source.fields, self.affines, device)
        return NamedLoader(gather, order, assembly, self.memory, position, began)

    def note(self, epoch: int, indices: Tensor) -> None:
        """Chain an epoch's order to the digest of the epochs before."""
        before = f"{self.order_sha256} {epoch}\n".encode()
        self.order_sha256 = hashlib.sha256(before + indices.numpy().tobytes()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        return {"order_sha256": self.order_sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.order_sha256 = state_dict["order_sha256"]

    def share(self, batch: int, here: int) -> float:
        """This rank's weight in the mean over a training batch, times the number of ranks.

        Ranks' gradients are averaged; if the last batch does not divide evenly, weighting each rank by its number of
        examples makes that the mean over the batch.
        """
        order = self.train_order()
        return here * order.world_size / order.batch_length(batch)
