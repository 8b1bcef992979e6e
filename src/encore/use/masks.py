"""Predicted classes of pixels as files: PNGs whose pixels are class numbers."""

import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from encore.errors import ConfigError
from encore.files import make_folder, replace

BYTE = 256  # classes that a palette has


def in_size(classes: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Class numbers [h, w] at a picture's width and height, each of the nearest pixel; as they are without these."""
    if size is None:
        return classes
    (height, width), (columns, rows) = classes.shape, size
    y, x = (2 * np.arange(rows) + 1) * height // (2 * rows), (2 * np.arange(columns) + 1) * width // (2 * columns)
    return classes[y[:, None], x]


def png(mask: np.ndarray, classes: int) -> bytes:
    """Class numbers [h, w] as a PNG: a byte each, in PASCAL VOC's colours; of more than 256 classes 16 bits in grey."""
    if classes <= BYTE:
        picture = Image.fromarray(mask.astype(np.uint8))
        picture.putpalette(palette())
    else:
        picture = Image.fromarray(mask.astype(np.uint16))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def palette() -> list[int]:
    """Red, green and blue of each class number: its bits, by threes, from each colour's highest bit downwards."""
    return [
        sum((number >> (3 * bit + colour) & 1) << (7 - bit) for bit in range(3))
        for number in range(BYTE)
        for colour in range(3)
    ]


class Masks:
    """Writes masks into a folder, under the names of the pictures.

    Args:
        folder: where they are written.
        files: what will be predicted; folders in which these lie are kept, from the one that they have in common.

    Raises:
        ConfigError: a mask would take the place of a picture.
    """

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self.folder, self.whole = folder, {file: Path(os.path.normpath(file.absolute())) for file in files}
        self.above = os.path.commonpath([path.parent for path in self.whole.values()]) if files else ""
        self.often = Counter(path.with_suffix("") for path in self.whole.values())
        inputs = {path.resolve() for path in self.whole.values()}
        for file in files:
            if self.place(file).resolve() in inputs:
                raise ConfigError(f"--masks {folder}: {self.place(file)} is a picture to predict: name another folder")

    def place(self, file: Path, number: int | None = None) -> Path:
        """Where a picture's mask is written, or that of an example of a file that holds several."""
        whole = self.whole[file]
        name = whole.relative_to(self.above)
        if number is not None:
            return self.folder / f"{name}-{number}.png"
        alone = self.often[whole.with_suffix("")] == 1
        return self.folder / (name.with_suffix(".png") if alone else f"{name}.png")

    def write(self, mask: np.ndarray, classes: int, file: Path, number: int | None) -> str:
        """Write a mask; where it is."""
        place = self.place(file, number)
        make_folder(place.parent)
        replace(place, png(mask, classes))
        return str(place)
