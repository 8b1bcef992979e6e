"""What is worth knowing of a dataset before a run trains on it."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encore.data.classes import is_class_numbers, listed
from encore.data.fetching import replaced
from encore.data.named.named_source import NamedSource
from encore.data.published import can_be_fetched
from encore.data.sources import ArraySource, MapSource
from encore.provenance import remembered
from encore.provenance.remembered import digest_of

MOST = 2**28  # bytes of examples that are compared: a second


def notes(data: Any) -> list[str]:
    """Lines on a data module that is set up: its classes, and what may be wrong with its examples."""
    return [*of_classes(data), *without_examples(data), *in_both(data)]


def of_classes(data: Any) -> list[str]:
    """The classes, by the names that the dataset gives them."""
    names = names_of(data)
    return [f"{len(names)} classes: {listed(list(names))}"] if names and data.recipe["num_classes"] else []


def names_of(data: Any) -> Any:
    """Names of the classes, as the config or the dataset writes them; None if neither has them."""
    return data.recipe.get("classes") or data.source.classes


def without_examples(data: Any) -> list[str]:
    """Classes that cannot be learned."""
    source, number = data.source, data.recipe["num_classes"]
    if isinstance(source, NamedSource) or number is None or not is_class_numbers(source.targets):
        return []
    counts = torch.bincount(source.targets[data.split.train], minlength=number)
    missing = (counts == 0).nonzero().flatten().tolist()
    names = [known[each] if (known := names_of(data)) else str(each) for each in missing]
    return [f"without a training example: {'class' if len(names) == 1 else 'classes'} {listed(names)}"] if names else []


def in_both(data: Any) -> list[str]:
    """How many test examples are among the training examples, to the bit; of published datasets it is known."""
    test = data.test_source
    if test is None or not len(data.test_indices) or can_be_fetched(replaced(data.recipe["train"])):
        return []
    of_each = [(data.source, data.split.train.unique()), (test, data.test_indices)]

    def counted() -> str:
        train, tested = (digests(source, indices) for source, indices in of_each)
        known = set(train or ())
        return str(sum(each in known for each in tested or ()))

    if all(is_of_files(source) for source, _ in of_each):  # a look-up for each file takes seconds
        parts = (f"{source.dataset.digest()} {sha256(indices.numpy()).hexdigest()}" for source, indices in of_each)
        number = int(remembered.by_content("in both", " ".join(parts), counted))
    else:
        number = int(counted())
    return [f"{number:,} of the {len(data.test_indices):,} test examples are training examples, too"] if number else []


def is_of_files(source: Any) -> bool:
    """Whether each example is a file."""
    return isinstance(source, MapSource) and hasattr(source.dataset, "paths")


def digests(source: Any, indices: Tensor) -> Iterable[Any] | None:
    """What tells examples apart, by their inputs; None where that takes long."""
    if isinstance(source, ArraySource):
        inputs = source.inputs
        if inputs.nbytes > MOST:
            return None
        rows = inputs.reshape(len(inputs), -1).contiguous().numpy()
        return (hash(rows[index].tobytes()) for index in indices.tolist())
    if is_of_files(source):
        paths = source.dataset.paths
        return (digest_of(Path(paths[index])) for index in indices.tolist())
    return None
