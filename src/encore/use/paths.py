"""The files that a user names to predict, found without importing torch."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from encore.data.pixels import shown
from encore.errors import InputError
from encore.files import is_junk

ARRAYS, TABLES, TEXTS = (".npy", ".npz"), (".csv", ".tsv", ".parquet"), (".txt",)


def suffixes() -> set[str]:
    """Of the files that are looked for in folders."""
    Image.init()
    pictures = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return {*pictures, *ARRAYS, *TABLES, *TEXTS}


@dataclass
class Found:
    """What was found: files, how many others lay beside them, and what could not be read."""

    files: list[Path] = field(default_factory=list)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)


def find(given: list[str], suffixes: set[str]) -> Found:
    """The files named, and in folders those of certain suffixes, in the order of their names.

    Raises:
        InputError: there are none.
    """
    found = Found()
    for name in given:
        if not name:  # such as a shell's variable that is not set; a path of this name would be the current folder
            raise InputError("a name of a file or folder is empty")
        path = Path(name)
        try:
            is_folder = path.is_dir()
        except (OSError, ValueError) as problem:  # a loop of links, or no path at all
            found.problems.append(f"{shown(path)} cannot be read: {problem}")
            continue
        for file in below(path, found) if is_folder else [path]:
            if is_folder and file.suffix.lower() not in suffixes:
                found.skipped += 1
            elif said := objection(file):
                found.problems.append(said)
            else:
                found.files.append(file)
    if not found.files and not found.problems:
        raise InputError(f"{', '.join(map(shown, map(Path, given)))}: there is nothing that the model could read")
    return found


def below(folder: Path, found: Found, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """What lies in a folder and in those in it, without hidden files; a link to a folder above is not followed."""
    try:
        real = folder.resolve()
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not is_junk(path.name))
    except (OSError, RuntimeError) as problem:
        found.problems.append(f"{shown(folder)} cannot be read: {problem}")
        return
    for path in inside if real not in above else ():
        if path.is_dir():
            yield from below(path, found, (*above, real))
        else:
            yield path


def objection(file: Path) -> str | None:
    """Why a file cannot be read, if that can be seen from outside."""
    if file.is_file():
        return None
    if file.exists():
        return f"{shown(file)} is no regular file"
    return f"{shown(file)} is a link that leads nowhere" if file.is_symlink() else f"there is no file {shown(file)}"


def typed(prompt: str) -> list[str]:
    """The lines of standard input that hold something.

    Raises:
        InputError: there are none, or they are no UTF-8.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed")
    if sys.stdin.isatty():
        print(prompt, file=sys.stderr)
    return lines(sys.stdin.buffer.read, "standard input")


def lines(read: Callable[[], bytes], where: str) -> list[str]:
    """The lines of a text that hold something.

    Raises:
        InputError: there are none, or they are no UTF-8.
    """
    try:
        text = read().decode()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{where} cannot be read as text in UTF-8: {problem}") from problem
    found = [line for line in text.splitlines() if line.strip()]
    if not found:
        raise InputError(f"{where} holds no text")
    return found
