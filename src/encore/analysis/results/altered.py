"""Runs whose weights are not what they left."""

from pathlib import Path

from encore.errors import InputError
from encore.record import seal

WEIGHTS = ("best.ckpt", "last.ckpt")


def altered(folder: Path) -> str | None:
    """What is wrong with a finished run's weights, or None."""
    there = [f"checkpoints/{name}" for name in WEIGHTS if (folder / "checkpoints" / name).exists()]
    try:
        seal.check(folder, *there)
    except InputError as problem:
        return str(problem)
    return None
