"""Hugging Face datasets on this disk; nothing is downloaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from encore.data.readers.arrow import ArrowColumns, parquet_columns
from encore.errors import ConfigError, InputError, NotHere


def saved(path: str, split: str | None = None) -> Any:
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote, or a folder of Parquet files.

    Columns of pictures make it a dataset of items, which are decoded one at a time; else it is columns by name.

    Args:
        path: of the folder.
        split: of a DatasetDict, or the word that the names of a folder's Parquet files begin with.

    Raises:
        ConfigError: the package that reads it is not installed.
        InputError: there is no such folder or split, or it cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise NotHere(f"there is no folder {path}; Dataset.save_to_disk writes one")
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return loaded(folder, split)
    every = sorted(folder.rglob("*.parquet"))
    files = [file for file in every if split is None or file.name.startswith(split)]
    if not files:
        has = ", ".join(file.name for file in every) or "neither Parquet files nor anything from Dataset.save_to_disk"
        wanted = "" if split is None else f" of split={split}"
        raise InputError(f"{path} has nothing{wanted}; it has {has}")
    return parquet_columns(files)


def loaded(folder: Path, split: str | None) -> Any:
    """What `load_from_disk` returns: columns, or items if some of them are pictures."""
    try:
        from datasets import Dataset, load_from_disk
    except ImportError as problem:
        raise ConfigError(
            f"{folder} is a dataset of Hugging Face's, and its package is not installed: pip install 'encore[hf]'"
        ) from problem
    try:
        held = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as problem:
        raise InputError(f"{folder} cannot be read: {' '.join(str(problem).split())}") from problem
    if not isinstance(held, Dataset):
        if split not in held:
            raise InputError(f"{folder} has the splits {', '.join(held)}, not {split}: name one in data.train.split")
        held = held[split]
    if any(is_decoded(feature) for feature in held.features.values()):
        return Items(held, classes_of(held))
    return ArrowColumns(held.with_format("arrow")[:], str(folder), classes_of(held))


def is_decoded(feature: Any) -> bool:
    """Whether a column is decoded from files, such as pictures."""
    return bool(getattr(feature, "decode", False)) or hasattr(feature, "decode_example")


def classes_of(dataset: Any) -> Sequence[str] | None:
    """Class names, if one column has them."""
    named = [feature.names for feature in dataset.features.values() if hasattr(feature, "int2str")]
    return named[0] if len(named) == 1 else None


class Items:
    def __init__(self, dataset: Any, classes: Sequence[str] | None) -> None:
        self.dataset, self.classes = dataset, classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        found: dict[str, Any] = self.dataset[index]
        return found
