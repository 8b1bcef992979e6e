"""Batches of named arrays: gathered or streamed, normalised, and assembled for the net and the task."""

from collections.abc import Callable, Generator, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from encore.data.batch import AnyBatch, Inputs, Targets
from encore.data.loaders import Loader, Order
from encore.data.named.fields import Field
from encore.data.named.items import ItemSource
from encore.data.named.named_source import ColumnSource, NamedSource, Raw
from encore.data.named.ragged import ends, padded
from encore.data.normalize import Affine, fit
from encore.data.workers import read_by_workers, shared
from encore.errors import ConfigError, InputError
from encore.fast.memory import Memory

Gather = Callable[[Tensor, list[int]], Iterator[Raw]]


class NamedResident:
    """All arrays of a source on the device, in their natural types."""

    def __init__(self, source: NamedSource, device: torch.device) -> None:
        whole = source.in_memory() if isinstance(source, ItemSource) else source
        assert isinstance(whole, ColumnSource)
        self.source = whole.on(device)

    def __call__(self, indices: Tensor, lengths: list[int]) -> Iterator[Raw]:
        for chosen in indices.split(lengths) if lengths else ():
            yield self.source.raw(chosen)


class NamedStreamed:
    """Arrays that worker processes read when needed."""

    def __init__(self, source: NamedSource, num_workers: int, pin_memory: bool) -> None:
        self.source, self.num_workers, self.pin_memory = source, num_workers, pin_memory

    def __call__(self, indices: Tensor, lengths: list[int]) -> Iterator[Raw]:
        """Read each batch in a worker; they arrive in order."""
        yield from read_by_workers(ByBatch(self.source), indices, lengths, self.num_workers, self.pin_memory)


class ByBatch(Dataset[Raw | InputError]):
    """A source whose item is a whole batch, or the error it met: raised in a worker, its message would be lost."""

    def __init__(self, source: NamedSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, indices: list[int]) -> Raw | InputError:
        try:
            return shared(self.source.raw(torch.as_tensor(indices, dtype=torch.long)))
        except InputError as problem:
            return problem


class Assembly:
    """Makes a batch of raw arrays.

    Args:
        fields: what a batch has.
        affines: normalisations of inputs, by the fields' ids.
        device: where batches go.
    """

    def __init__(self, fields: Sequence[Field], affines: dict[str, Affine], device: torch.device) -> None:
        self.inputs = [field for field in fields if not field.is_target]
        self.targets = [field for field in fields if field.is_target]
        self.affines = {name: affine.to(device) for name, affine in affines.items()}
        self.device = device

    def __call__(self, raw: Raw, memory: Memory | None = None) -> AnyBatch:
        """The normalised inputs, and the targets."""
        inputs, targets = ({}, {})  # type: tuple[dict[str, Tensor], dict[str, Tensor]]
        for part, fields in ((inputs, self.inputs), (targets, self.targets)):
            for field in fields:
                self.add(part, field, raw, memory)
        several = len(inputs) > 1 or self.inputs[0].ragged
        given: Inputs = inputs if several else inputs[self.inputs[0].name]
        truth: Targets = targets if len(targets) > 1 else next(iter(targets.values()), None)
        return given, truth

    def add(self, part: dict[str, Tensor], field: Field, raw: Raw, memory: Memory | None) -> None:
        values = raw[0][field.id].to(self.device, non_blocking=True)
        if (affine := self.affines.get(field.id)) is not None:
            values = affine(values, memory)
        elif field.is_target and field.dtype is None and whole(values):
            values = values.long()
        if field.ragged is None:
            part[field.name] = values
            return
        lengths = raw[1][field.id]
        if field.ragged == "pad":
            part[field.name], there = padded(values, lengths, field.pad_to, field.fill)
            part |= {field.mask: there} if field.mask else {}
        else:
            # first: a batch's examples are counted by its first array
            part |= {field.starts: ends(lengths)[:-1].to(self.device)} if field.starts else {}
            part[field.name] = values


def whole(values: Tensor) -> bool:
    """Whether values are integers, and not booleans."""
    return not values.is_floating_point() and values.dtype != torch.bool


class NamedLoader(Loader):
    """What Lightning iterates over if a dataset has named arrays.

    Args:
        read: raw arrays of indices, in order, batch by batch of given lengths.
        order: which examples they are.
        assembly: what makes a batch of them.
        memory: for inputs on a CPU, the same for all loaders.
        position: returns the epoch, and the batch in it to start with.
        began: called at the start of every epoch.
    """

    def __init__(
        self,
        read: Gather,
        order: Order,
        assembly: Assembly,
        memory: Memory,
        position: Callable[[], tuple[int, int]],
        began: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        self.read, self.order, self.assembly = read, order, assembly
        self.position, self.began = position, began
        self.memory = memory if assembly.device.type == "cpu" else None

    def epoch(self) -> Generator:
        """The batches that remain in the epoch."""
        for raw in self.read(*self.entered()):
            yield self.assembly(raw, self.memory)


class Values:
    """One field of a source for the normalisation to read: the values of its examples, [k, …]."""

    def __init__(self, source: NamedSource, field: Field) -> None:
        self.source, self.field = source, field
        held = source.raw(torch.zeros(1, dtype=torch.long))[0][field.id]
        self.dtype, self.shape = held.dtype, tuple(held.shape[1:]) or (1,)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Values of examples; for sequences all of them, concatenated."""
        held = self.source.raw(torch.as_tensor(indices, dtype=torch.long))[0][self.field.id]
        return held if held.ndim > 1 else held[:, None]


def fit_named(norm: str | dict, source: NamedSource, train: Tensor) -> dict[str, Affine]:
    """Fit the normalisation of every input that is a picture or has floats, by the fields' ids.

    Args:
        norm: one for all of them, or a dict from names to one each; who is not in it stays as it is.
        source: where the examples are.
        train: the indices that may be looked at.
    """
    inputs = [field for field in source.fields if not field.is_target]
    given = isinstance(norm, dict) and set(norm) != {"mean", "std"}
    if given and (unknown := sorted(set(norm) - {field.name for field in inputs})):
        names = ", ".join(field.name for field in inputs)
        raise ConfigError(f"data.normalize has {', '.join(unknown)}, and data.inputs has {names}")
    found = {}
    for field in inputs:
        values = Values(source, field)
        if values.dtype != torch.uint8 and not values.dtype.is_floating_point:
            if given and field.name in norm:
                raise ConfigError(
                    f"data.normalize.{field.name}: the array has the type {str(values.dtype).removeprefix('torch.')}, "
                    f"and only uint8 and floats are normalised; data.inputs.{field.name}.dtype=float32 makes it one"
                )
            continue
        one = norm.get(field.name, "none") if given and isinstance(norm, dict) else norm
        found[field.id] = fit(one, values, train, values.shape)
    return found


def example(source: NamedSource, affines: dict[str, Affine], indices: Tensor) -> AnyBatch:
    return Assembly(source.fields, affines, torch.device("cpu"))(source.raw(indices))
