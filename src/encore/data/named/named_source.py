"""Examples of any number of named arrays, read by index."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from encore.data.named.fields import Field
from encore.data.named.ragged import Ragged
from encore.errors import ConfigError, InputError

# Arrays of k examples by field id: [k, …], or sequences' values [total, …]; and the sequences' lengths.
Raw = tuple[dict[str, Tensor], dict[str, Tensor]]


class NamedSource:
    """What sources of named arrays share.

    Args:
        name: of the dataset, for messages.
        fields: the arrays of a batch.
        classes: names of the target's classes, where it has any.
    """

    def __init__(self, name: str, fields: Sequence[Field], classes: Sequence[str] | None) -> None:
        self.name, self.fields, self.classes = name, list(fields), classes

    def __len__(self) -> int:
        raise NotImplementedError

    def raw(self, indices: Tensor) -> Raw:
        """Arrays of examples, int64 [k], as they were read."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor] | None:
        """Everything that the examples consist of, by name; None if it is not in memory."""
        raise NotImplementedError

    def labels(self, key: str, setting: str = "stratify") -> np.ndarray:
        """One value per example, of a field or of a key of the source, [n]; `setting` names it, for messages."""
        raise NotImplementedError

    def lengths(self, field: Field) -> Tensor:
        """Lengths of a field's sequences, int64 [n]."""
        raise NotImplementedError

    def strata(self, stratify: str | bool | None) -> Tensor:
        """The stratum of each example, int64 [n]: every split has equal proportions of each.

        Args:
            stratify: a name; False: all examples are one part; None or True: the target's classes, where it has some.

        Raises:
            ConfigError: there is no such name, or it does not have one value per example.
        """
        target = self.class_target()
        key = stratify if isinstance(stratify, str) else None
        if key is None and stratify is not False and target is not None and self.is_one_number(target):
            key = target.name
        if key is None:
            return torch.zeros(len(self), dtype=torch.long)
        return self.numbered(key, "stratify")

    def groups(self, key: str) -> Tensor:
        """The number of each example's group, int64 [n]: examples with the same value belong together.

        Raises:
            ConfigError: there is no such name, or it does not have one value per example.
        """
        return self.numbered(key, "group_by")

    def numbered(self, key: str, setting: str) -> Tensor:
        """The values of an array, numbered from 0, int64 [n]."""
        found = self.labels(key, setting)
        if found.ndim != 1:
            raise ConfigError(
                f"data.{setting}={key} has the shape {list(found.shape)}: it must have one value per example"
            )
        return torch.from_numpy(np.unique(found, return_inverse=True)[1].astype(np.int64))

    def class_target(self) -> Field | None:
        """The only target, if it has classes."""
        targets = [field for field in self.fields if field.is_target]
        return targets[0] if len(targets) == 1 and targets[0].classes is not None and not targets[0].ragged else None

    def is_one_number(self, field: Field) -> bool:
        """Whether a field has one number per example; a mask is not read whole to find out."""
        return self.raw(torch.zeros(1, dtype=torch.long))[0][field.id].ndim == 1

    @property
    def targets(self) -> Tensor:
        """The only target of all examples, for code that reads one input and one target."""
        targets = [field for field in self.fields if field.is_target]
        if len(targets) != 1 or targets[0].ragged:
            raise InputError(f"data={self.name} has {len(targets)} targets: this is for one, not ragged")
        return self.raw(torch.arange(len(self)))[0][targets[0].id]

    def read(self, indices: Sequence[int]) -> Tensor:
        """The only input of examples, for code that reads one input and one target."""
        inputs = [field for field in self.fields if not field.is_target]
        if len(inputs) != 1 or inputs[0].ragged:
            raise InputError(f"data={self.name} has several inputs, or ragged ones: this is for one array")
        return self.raw(torch.as_tensor(indices, dtype=torch.long))[0][inputs[0].id]


class ColumnSource(NamedSource):
    """Examples in memory.

    Args:
        columns: the fields' arrays, by their ids.
        others: further arrays that can serve as strata, by key.
    """

    def __init__(
        self,
        name: str,
        fields: Sequence[Field],
        columns: dict[str, Tensor | Ragged],
        classes: Sequence[str] | None,
        others: dict[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(name, fields, classes)
        self.columns, self.others = columns, others or {}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def raw(self, indices: Tensor) -> Raw:
        arrays, lengths = {}, {}
        for field in self.fields:
            held = self.columns[field.id]
            if isinstance(held, Ragged):
                arrays[field.id], lengths[field.id] = held.of(indices, field.longest)
            else:
                arrays[field.id] = held.index_select(0, indices.to(held.device))
        return arrays, lengths

    def on(self, device: torch.device) -> "ColumnSource":
        columns = {name: held.to(device) for name, held in self.columns.items()}
        return ColumnSource(self.name, self.fields, columns, self.classes, self.others)

    def tensors(self) -> dict[str, Tensor]:
        """All arrays; sequences as values and offsets."""
        found = {}
        for name, held in self.columns.items():
            parts = {name: held} if isinstance(held, Tensor) else {name: held.values, f"{name} offsets": held.offsets}
            found.update(parts)
        return found

    def labels(self, key: str, setting: str = "stratify") -> np.ndarray:
        for field in self.fields:
            held = self.columns[field.id]
            if field.name == key and isinstance(held, Tensor):
                return held.cpu().numpy()
        if key not in self.others:
            raise ConfigError(f"data.{setting}={key}: data={self.name} has no such array with one value per example")
        return self.others[key]

    def lengths(self, field: Field) -> Tensor:
        """Lengths of the sequences after truncation."""
        held = self.columns[field.id]
        assert isinstance(held, Ragged)
        return held.lengths if field.longest is None else held.lengths.clamp(max=field.longest)
