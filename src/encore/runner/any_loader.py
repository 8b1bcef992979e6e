"""Anyone's loaders, such as torch's DataLoader, seeded so that every batch is a function of its place in the run."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch.utils._pytree import tree_map

from encore.seeding import derive, seed_everywhere

# An epoch, and its first batch to be returned.
Place = Callable[[], tuple[int, int]]


class AnyLoader:
    """Another loader's batches, with all generators seeded before each one.

    The seeds of worker processes are drawn from those generators when an epoch begins, so workers are restarted
    for every epoch, whatever `persistent_workers` says.

    Args:
        loader: anything that can be iterated over.
        key: the run's seed and the loader's name.
        place: where its next epoch begins. The batches before that are read and dropped.
    """

    def __init__(self, loader: Any, key: tuple[int | str, ...], place: Place) -> None:
        self.loader, self.key, self.place = loader, key, place

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        if name == "loader":
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self.place()
        self.seed(epoch, -1)
        if getattr(self.loader, "_iterator", None) is not None:
            self.loader._iterator = None
        batches = iter(self.loader)
        for index in itertools.count():
            self.seed(epoch, index)
            try:
                batch = next(batches)
            except StopIteration:
                return
            if index >= first:
                yield batch

    def seed(self, epoch: int, index: int) -> None:
        """Seed the default generators, and those of the loader and its samplers."""
        seed = derive(*self.key, epoch, index)
        seed_everywhere(seed, torch.device("cpu"))
        if index < 0:
            batch_sampler = getattr(self.loader, "batch_sampler", None)
            owners = (self.loader, getattr(self.loader, "sampler", None), batch_sampler)
            for owner in (*owners, getattr(batch_sampler, "sampler", None)):
                if isinstance(generator := getattr(owner, "generator", None), torch.Generator):
                    generator.manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Empty: the trainer's progress says where an epoch is resumed. Lightning requires the method."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore."""


def seed_loaders(data: pl.LightningDataModule, trainer: pl.Trainer, seed: int) -> None:
    """Make a data module's methods return seeded loaders, without its knowledge."""

    def training() -> tuple[int, int]:
        return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def validation() -> tuple[int, int]:
        return trainer.current_epoch, 0

    def test() -> tuple[int, int]:  # the same whenever the weights are tested
        return 0, 0

    for split, place in {"train": training, "val": validation, "test": test}.items():
        name = f"{split}_dataloader"
        if is_overridden(name, data):
            setattr(data, name, seeded(getattr(data, name), (seed, split), place))


def seeded(make: Callable[..., Any], key: tuple[int | str, ...], place: Place) -> Callable[..., Any]:
    """Wrap a method that returns loaders; each loader in a list, a dict or a CombinedLoader has its own seeds."""

    @functools.wraps(make)
    def make_seeded() -> Any:
        numbers = itertools.count()

        def wrapped(loader: Any) -> Any:
            return AnyLoader(loader, (*key, next(numbers)), place) if hasattr(loader, "__iter__") else loader

        loaders = make()
        if isinstance(loaders, CombinedLoader):
            loaders.flattened = [wrapped(loader) for loader in loaders.flattened]
            return loaders
        return tree_map(wrapped, loaders)

    return make_seeded
