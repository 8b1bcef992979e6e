"""The examples that a model is tested on: a split of its own data, or of another dataset of the same shape."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

from encore.config.compose import with_data_from
from encore.config.facts import data_target, encores_data, without_test
from encore.data.classes import match
from encore.data.contract import Source
from encore.data.module import DataModule
from encore.data.named.named_source import NamedSource
from encore.data.names import class_names
from encore.data.offline import downloads_refused
from encore.data.prepare import prepared
from encore.errors import ConfigError, InputError
from encore.record.inputs import ALONE
from encore.use.model import Model

# Settings of another dataset that say how a model would be trained on it, and have no meaning where one is tested.
OF_TRAINING = {
    "batch_size": "all", "bootstrap": None, "bucket": None, "normalize": "none", "normalize_targets": "none",
    "order": None, "prepare": None, "sampling": "uniform",
}  # fmt: skip
OF_DATA = ("data", "data_dir", "vars")  # overrides that make a dataset another one
WHOLE = {"val_fraction": 0.0, "test_fraction": 0.0, "folds": None, "fraction": 1.0, "keep": None}


@dataclass(frozen=True)
class Examples:
    """Some examples of a source, and what they are called."""

    source: Source
    indices: Tensor
    name: str


def examples(model: Model, split: str | None, other: Sequence[str] = (), data_dir: Path | None = None) -> Examples:
    """A split's examples.

    Args:
        model: what is tested.
        split: train, val or test; None: test, or all of another dataset that has no test set of its own.
        other: another dataset, as train.py takes it: the name of a config, and overrides.
        data_dir: where its files are.

    Raises:
        InputError: there are none, or they are not like those that the model was trained on.
    """
    if model.by_batches and not other:
        return by_batches(model, split or "test", cut=False)
    data = of_another(other, split, data_dir) if other else model.data
    name, whole = data.recipe["name"], bool(other) and split is None and not data.recipe.get("test")
    split = "train" if whole else split or "test"
    if not data.sizes[split]:
        has_none = f"data={name} has no {split} set"
        raise InputError(has_none if other or split != "test" else f"{model.folder} {without_test(model.config)}")
    if split == "test":
        source, indices = data.opened_test(), data.test_indices
    else:
        source, indices = data.source, data.split.val if split == "val" else data.pool
    if other and model.inputs.preparation is not None:
        source = prepared(model.inputs.preparation, source)
    check_alike(model, source, data.recipe)
    return Examples(source, indices, f"all of {name}" if whole else f"the {split} set of {name}")


def by_batches(model: Model, split: str, cut: bool) -> Examples:
    """A split of a data module that is not Encore's; where there is too much of it for the memory, `cut` takes some."""
    source = model.own_batches.source(split, cut)
    return Examples(source, torch.arange(len(source)), f"the {split} set of {model.config['data']['name']}")


def of_another(other: Sequence[str], split: str | None, data_dir: Path | None) -> DataModule:
    """Another dataset's data module, undivided without a split; its normalisation and vocabulary are the model's.

    Raises:
        ConfigError: an override is of something else.
    """
    name, *rest = other
    for word in rest:
        if re.split(r"[.=@]", word.lstrip("+~"))[0] not in OF_DATA:
            raise ConfigError(f"--data … {word}: this is no setting of data, and would change nothing: leave it out")
    cfg = with_data_from([name if "=" in name else f"data={name}", *rest])
    if not encores_data(cfg):
        raise InputError(
            f"data={cfg['data']['name']} is read by {data_target(cfg)}: only Encore's own data have splits"
        )
    recipe = {**cfg["data"], **OF_TRAINING, **(WHOLE if split is None else {})}
    with downloads_refused():
        data = DataModule(recipe, str(data_dir or cfg["data_dir"]), seed=0)
        data.setup()
    return data


def check_alike(model: Model, source: Source, recipe: dict) -> None:
    """Give classes the numbers that they have in training.

    Raises:
        InputError: the examples have another shape or type, or other classes.
    """
    name, arrays = recipe["name"], model.inputs.arrays
    if isinstance(source, NamedSource):
        found = {field.id for field in source.fields if not field.is_target}
        if found != set(arrays):
            raise InputError(f"data={name} has {', '.join(sorted(found))}, and the model reads {', '.join(arrays)}")
    else:
        first, array = source.read([0]), model.inputs.arrays.get(ALONE)
        if array is None or (first.dtype, tuple(first.shape[1:])) != (array.dtype, array.shape):
            wanted = "several arrays" if array is None else f"{list(array.shape)} of {kind(array.dtype)}"
            raise InputError(
                f"data={name} has examples {list(first.shape[1:])} of {kind(first.dtype)}, and the model reads {wanted}"
            )
    ours, own, names = model.config["data"].get("num_classes"), recipe.get("num_classes"), class_names(recipe, source)
    if ours != own and not (names and model.classes):  # by their names, a dataset may have some of the classes
        raise InputError(f"data={name} has num_classes={own}, and the model was trained with num_classes={ours}")
    source.classes = names  # type: ignore[misc]
    match(source, SimpleNamespace(classes=model.classes), name)


def kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
