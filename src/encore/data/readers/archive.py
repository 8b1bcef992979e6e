"""NumPy archives."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from encore.errors import InputError, NotHere


def archive(path: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, by name.

    Raises:
        InputError: it is missing, broken, or holds Python objects.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            if not hasattr(held, "files"):
                raise InputError(f"{path} holds one array without a name: numpy.savez stores it by name, as .npz")
            return {name: held[name] for name in held.files}
    except FileNotFoundError as problem:
        raise NotHere(f"there is no file {path}") from problem
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error, AttributeError, TypeError) as problem:
        raise InputError(
            f"{path} cannot be read as a NumPy archive: {problem}\n"
            "write it by numpy.savez with arrays of numbers; sequences of several lengths as one flat array and offsets"
        ) from problem
