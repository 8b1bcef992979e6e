"""Classes by their names: as many as the config says, and the same number for one name in every split."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from encore.data.named.named_source import NamedSource
from encore.errors import InputError

SHOWN = 10


def listed(names: Sequence[str]) -> str:
    """The first of the names."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def check_number(names: Sequence[str] | None, num_classes: int | None, name: str) -> None:
    """Raise InputError if a dataset names other than `data.num_classes` classes."""
    if names and num_classes is not None and len(names) != num_classes:
        raise InputError(
            f"data={name} has {len(names)} classes ({listed(names)}), and data.num_classes={num_classes}: correct one"
        )


def if_as_many(names: Sequence[str] | None, num_classes: int | None) -> Sequence[str] | None:
    """Names that a class has of its base class, as of MNIST's: none if its targets have become others."""
    return names if names and len(names) == num_classes else None


def match(test: Any, train: Any, name: str) -> None:
    """Give the classes of a test set the numbers that their names have in the training set.

    Raises:
        InputError: the test set has classes that the training set lacks, or its targets cannot be renumbered.
    """
    ours, theirs = train.classes, test.classes
    if not ours or not theirs or list(ours) == list(theirs):
        return
    if unknown := [one for one in theirs if one not in ours]:
        raise InputError(
            f"data={name}: the test set has classes that the training set lacks: {listed(unknown)}; the training set "
            f"has {listed(ours)}"
        )
    if isinstance(test, NamedSource) or not is_class_numbers(test.targets):
        raise InputError(
            f"data={name}: the test set's classes are {listed(theirs)}, the training set's {listed(ours)}: "
            "bring them to one order"
        )
    numbers = torch.tensor([list(ours).index(one) for one in theirs])
    test.targets, test.classes = numbers[test.targets], list(ours)


def is_class_numbers(targets: Tensor) -> bool:
    """Whether there is one class number an example."""
    return targets.ndim == 1 and not targets.is_floating_point()
