"""What is learned from training examples before a net sees any, such as a vocabulary: `data.prepare`."""

from typing import Protocol

import torch
from torch import Tensor

from encore.config.build import build
from encore.data.contract import Source
from encore.data.named.named_source import ColumnSource
from encore.data.named.ragged import Ragged, ends
from encore.errors import ConfigError

# By the arrays' paths in `data`, such as `inputs.tokens`: [n, …], or sequences of several lengths.
Arrays = dict[str, Tensor | Ragged]


class Preparation(Protocol):
    """What `data.prepare` builds; the names are scikit-learn's."""

    def fit(self, arrays: Arrays) -> object:
        """Learn from the arrays of the training examples."""
        ...

    def transform(self, arrays: Arrays) -> Arrays:
        """The arrays of any examples as a batch is to have them: the same names, and a row for each example."""
        ...


def fitted(recipe: dict, source: Source, train: Tensor) -> Preparation:
    """Build a preparation and fit it.

    Args:
        recipe: the config's `data.prepare`.
        source: the examples that the training examples are among.
        train: their indices.

    Raises:
        ConfigError: it cannot be built, or the examples are not arrays in memory.
    """
    made: Preparation = build(recipe, what="data.prepare")
    if missing := [name for name in ("fit", "transform") if not hasattr(made, name)]:
        raise ConfigError(f"data.prepare._target_={recipe['_target_']} has no {' and no '.join(missing)}")
    made.fit({name: chosen(held, train) for name, held in arrays_of(source).items()})
    return made


def prepared(preparation: Preparation, source: Source) -> ColumnSource:
    """A source as a preparation makes it.

    Raises:
        ConfigError: it makes arrays of other names, kinds or numbers of examples.
    """
    before = arrays_of(source)
    after = preparation.transform(dict(before))
    where = f"data.prepare: {type(preparation).__name__}.transform"
    if set(after) != set(before):
        raise ConfigError(f"{where} makes {', '.join(sorted(after))} of {', '.join(sorted(before))}: keep the names")
    for name, held in after.items():
        if isinstance(held, Ragged) != isinstance(before[name], Ragged) or len(held) != len(before[name]):
            raise ConfigError(
                f"{where} makes {described(held)} of {name}, which is {described(before[name])}: "
                "tensors stay tensors, sequences stay sequences, and each example keeps its row"
            )
    assert isinstance(source, ColumnSource)
    return ColumnSource(source.name, source.fields, after, source.classes, source.others)


def arrays_of(source: Source) -> Arrays:
    if not isinstance(source, ColumnSource):
        raise ConfigError(
            "data.prepare is for arrays in memory: name them in data.inputs and data.targets, with data.resident=true"
        )
    return source.columns


def chosen(held: Tensor | Ragged, indices: Tensor) -> Tensor | Ragged:
    """The rows of some examples."""
    if isinstance(held, Tensor):
        return held.index_select(0, indices)
    values, lengths = held.of(indices)
    return Ragged(values, ends(lengths))


def described(held: Tensor | Ragged) -> str:
    kind = "sequences" if isinstance(held, Ragged) else "a tensor" if torch.is_tensor(held) else type(held).__name__
    return f"{kind} of {len(held):,} examples"
