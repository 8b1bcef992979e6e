"""What your own datasets and augmentations must provide, and what it costs to leave something out.

A source is what a data recipe's `train` or `test` builds. It is one of three things:

1. *Attributes*: `data` and `targets`, as in torchvision. Without settings `data.inputs` and `data.targets`, these are
   read: inputs as uint8 or float32, targets as class numbers, or as numbers where `data.num_classes` is null.
2. *A mapping* of names to arrays of equal length, such as a dict. `data.inputs` and `data.targets` choose from it.
   Arrays may have any type and shape. Lists of several lengths, and `Ragged` arrays, need `ragged: pad` or `pack`.
3. *Items*: `len(source)`, and `source[i]` as a tuple or dict. Keys are then places or names. They are decoded once
   where data are resident, and in worker processes where `data.resident` is false.

A class that others' files belong to may have `published`, a tuple of `encore.data.published.Published`, and a class
method `pack`: `encore fetch_data` then fetches them, or makes them of what a user has. `data.prepare` names a class
that learns from the training examples of sources 2 and 3 (`encore.data.prepare`), such as a vocabulary.

`data.order` names what makes another order of the training examples: a function or class that is given the usual
`encore.data.loaders.Order` and the source, and makes an `Order`. Its `of_epoch` says which examples an epoch has, as
many as `len` and `batch_length` say, and may leave out and repeat some. It must be a function of (seed, epoch) alone.

What it costs to leave things out:

- No `data.targets`: a batch's targets are None, splits are random, and a task must do without targets.
- No class numbers among the targets (or `data.stratify: false`): splits are random instead of stratified.
- No `classes`: reports and pictures call classes by their numbers.
- No `data.shape`: arrays keep the shape that they have. Models that take `in_shape` need it.
- Items instead of arrays: opening takes a pass over all of them, to stratify or to make them resident.
- Several inputs, or ragged ones: `ensemble`, `boost`, `draw` and `sharpness` refuse the run; they read one array.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from encore.data.batch import AnyBatch, Inputs, Targets


class Readable(Protocol):
    """Inputs that can be read by index."""

    def read(self, indices: Sequence[int]) -> Tensor:
        """The raw inputs of the indices given: uint8 or float32 [k, *shape]."""
        ...


class Source(Readable, Protocol):
    """Examples of one input and one target, that can be read by index."""

    @property
    def targets(self) -> Tensor:
        """Class numbers, int64 [n, …], or numbers, float32 [n, …]."""
        ...

    @property
    def classes(self) -> Sequence[str] | None:
        """The classes' names, where the dataset has any."""
        ...

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def tensors(self) -> dict[str, Tensor] | None:
        """Everything that the examples consist of, by name; None where it is not in memory."""
        ...


class Augmentation(Protocol):
    """A change of a whole training batch on its device, with a draw for each example.

    Draw random numbers from the device's default generator, which is seeded for every training step; with any other, a
    resumed run would differ. An augmentation that moves things in a picture takes `arrays`, the names of what it moves
    together; otherwise a mask would no longer match its picture.
    """

    def __call__(self, inputs: Inputs, targets: Targets) -> AnyBatch:
        """Inputs and targets of the same length as those given."""
        ...
