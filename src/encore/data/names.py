"""Names of classes, wherever a number would stand: those that the config gives, or the dataset's own."""

from collections.abc import Sequence
from typing import Any


def class_names(recipe: dict, source: Any) -> list[str] | None:
    """A name for each class or label; None if neither `data.classes` nor the dataset has them.

    Args:
        recipe: the config's `data`.
        source: the examples; its `classes` may be missing, or fewer or more than there are classes.
    """
    given = recipe.get("classes")
    if given:
        return [str(name) for name in given]
    names = getattr(source, "classes", None)
    count = recipe.get("num_classes") or recipe.get("num_labels")
    return shortened(names) if isinstance(names, Sequence) and names and len(names) == count else None


def shortened(names: Sequence[str]) -> list[str]:
    """Names such as torchvision's `7 - seven` as `7`."""
    return [str(number) if str(name).startswith(f"{number} - ") else str(name) for number, name in enumerate(names)]


def numbered(names: Sequence[str] | None, count: int) -> list[str]:
    """As many names as a net has classes; numbers where there are no names, or another number of them."""
    return list(names) if names and len(names) == count else [str(number) for number in range(count)]
