"""Pictures in folders, one folder a class."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from encore.data.pixels import as_array, check_all, opened, printable, shown
from encore.data.unchanged import FACTS, check_same, facts
from encore.errors import InputError, NotHere
from encore.files import is_junk
from encore.provenance import remembered
from encore.provenance.contents import content

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


class PictureFolder:
    """Pictures `root/CLASS/…/picture`; classes are numbered in the order of their names.

    The pictures are those of torchvision's ImageFolder, in its order, without hidden files and what file managers
    leave behind. Each is checked to be what it was when the folder was read.

    Attributes:
        classes: their names.
        targets: a class number for each picture.
        paths: of the pictures, as text.

    Raises:
        InputError: there is no such folder, it holds no classes, or something that is no file.
    """

    def __init__(self, root: str) -> None:
        folder = Path(root)
        if not folder.is_dir():
            raise NotHere(f"there is no folder {root}")
        found = {entry.name: pictures_below(entry.path) for entry in entries(folder) if entry.is_dir()}
        if not found:
            raise InputError(f"{shown(folder)} holds no folders: pictures lie in one folder for each class")
        names = sorted(found)
        self.classes = [printable(name) for name in names]
        if {name.lower() for name in names} <= SPLITS:
            raise InputError(
                f"{shown(folder)} holds the folders {', '.join(self.classes)}, which are splits and no classes: "
                f"data.root={shown(folder / names[0])}, with data.test for the test set (docs/data.md)"
            )
        if empty := [printable(name) for name in names if not found[name]]:
            raise InputError(
                f"{shown(folder)} has classes without pictures: {', '.join(empty)}\n"
                f"pictures end in {', '.join(ENDINGS)}"
            )
        self.root, self.whole = folder, ""
        self.paths = [path for name in names for path in found[name]]
        self.targets = [number for number, name in enumerate(names) for _ in found[name]]
        self.seen = np.array([facts(path) for path in self.paths], FACTS)

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(self, index: int, shape: Sequence[int]) -> np.ndarray:
        """A picture resized to [1 or 3, h, w], uint8.

        Raises:
            InputError: it cannot be read, or is not what it was.
        """
        path = self.paths[index]
        check_same(path, self.seen[index].item())
        channels, *size = shape
        with opened(Path(path)) as picture:
            return as_array(picture, channels, size)

    def digest(self) -> str:
        """What the folder holds, as one digest; found once."""
        self.whole = self.whole or content(self.root)
        return self.whole

    def check(self) -> None:
        """Raise InputError if a picture cannot be read; once, until one changes."""

        def checked() -> str:
            check_all(list(map(Path, self.paths)))
            return "good"

        remembered.by_content("pictures", self.digest(), checked)


def pictures_below(folder: str) -> list[str]:
    """A folder's pictures, in the order of their folders, then of their names."""
    return sorted(pictures(folder), key=os.path.split)


def pictures(folder: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """A folder's pictures; a link to a folder above it is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for entry in entries(folder):
        if entry.is_dir():
            yield from pictures(entry.path, (*above, real))
        elif entry.name.lower().endswith(ENDINGS):
            if not entry.is_file():
                what = "a link that leads nowhere" if entry.is_symlink() else "no regular file"
                raise InputError(f"{shown(Path(entry.path))} is {what}: remove it from the class's folder")
            yield entry.path


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, but for hidden files and what file managers leave there."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".") and not is_junk(entry.name)]
    except OSError as problem:
        raise InputError(f"{shown(Path(folder))} cannot be read: {problem.strerror}") from problem
