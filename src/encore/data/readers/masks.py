"""Pictures with masks: two folders, matched by file name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from encore.data.pixels import as_array, check_all, opened, upright
from encore.errors import ConfigError, InputError, NotHere
from encore.files import is_junk

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".ppm", ".pgm", ".pbm")
MODES = ("1", "L", "P")  # one byte per pixel
SHOWN = 5


class PicturesWithMasks:
    """Items `{image: uint8 [c, h, w], mask: uint8 [h, w]}`; a mask's pixels are class numbers.

    Args:
        pictures: `{folder: …}`.
        masks: `{folder: …}`; with `suffix`, the mask of `a.jpg` is `a` + suffix, with any ending.
        shape: what pictures are resized to, [1 or 3, h, w], masks to the nearest pixel; None: they stay as they are.
        values: the bytes that stand for classes 0, 1, …, such as [0, 255]; None: the bytes are the class numbers.

    Raises:
        InputError: a folder is missing, or a picture or a mask stands alone.
    """

    def __init__(
        self,
        pictures: dict[str, str],
        masks: dict[str, str],
        shape: Sequence[int] | None = None,
        values: Sequence[int] | None = None,
    ) -> None:
        if shape is not None and (len(shape) != 3 or shape[0] not in (1, 3)):
            raise ConfigError(f"data.shape={shape} must be [1 or 3, height, width], or null")
        self.shape, self.numbers = shape, None if values is None else numbers_of(values)
        suffix = masks.get("suffix") or ""
        images, targets = found(pictures["folder"]), found(masks["folder"], suffix)
        for ours, theirs, kind, folder in (
            (images, targets, "mask", masks["folder"]),
            (targets, images, "picture", pictures["folder"]),
        ):
            if alone := sorted(set(ours) - set(theirs)):
                shown = ", ".join(ours[name].name for name in alone[:SHOWN]) + (", …" if len(alone) > SHOWN else "")
                raise InputError(
                    f"{len(alone):,} files have no {kind} of their name in {folder}: {shown}\n"
                    "add or remove them; data.masks.suffix says how the names of masks end"
                )
        self.pairs = [(images[name], targets[name]) for name in sorted(images)]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        picture, mask = self.pairs[index]
        channels, *size = self.shape or (3,)
        with opened(picture) as image:
            area, pixels = upright(image).size, as_array(image, channels, size or None)
        with opened(mask) as held:
            if held.mode not in MODES:
                raise InputError(
                    f"{mask} has colours or more than one byte per pixel: store class numbers from 0 as bytes"
                )
            target = upright(held)
            if target.size != area:
                raise InputError(f"{picture} has {area} pixels and {mask} has {target.size}: they must match")
            if size:
                target = target.resize((size[1], size[0]), Image.Resampling.NEAREST)
            classes = np.array(target).astype(np.uint8)
        return {"image": pixels, "mask": classes if self.numbers is None else self.numbered(classes, mask)}

    def check(self) -> None:
        """Raise InputError if a picture or a mask cannot be read."""
        check_all([path for pair in self.pairs for path in pair])

    def numbered(self, values: np.ndarray, mask: Path) -> np.ndarray:
        assert self.numbers is not None
        numbers = self.numbers[values]
        if (numbers < 0).any():
            other = int(values[numbers < 0][0])
            raise InputError(f"{mask} has pixels of {other}, which data.values does not list")
        return numbers.astype(np.uint8)


def numbers_of(values: Sequence[int]) -> np.ndarray:
    """The class number of every byte, -1 for bytes without one, [256]."""
    numbers = np.full(256, -1)
    if any(not 0 <= value <= 255 for value in values):
        raise ConfigError(f"data.values={list(values)} must be bytes, from 0 to 255")
    numbers[list(values)] = np.arange(len(values))
    return numbers


def found(folder: str, suffix: str = "") -> dict[str, Path]:
    """A folder's pictures, keyed by relative path without ending and suffix."""
    if not Path(folder).is_dir():
        raise NotHere(f"there is no folder {folder}")
    files: dict[str, Path] = {}
    for file in sorted(Path(folder).rglob("*")):
        if (
            file.suffix.lower() in ENDINGS
            and file.stem.endswith(suffix)
            and not any(map(is_junk, file.relative_to(folder).parts))
        ):
            if not file.is_file():
                raise InputError(f"{file} is no regular file, or a link that leads nowhere: remove it")
            name = file.relative_to(folder).with_suffix("").as_posix()
            name = name[: len(name) - len(suffix)]
            if name in files:
                raise InputError(f"{files[name]} and {file} have the same name: rename one")
            files[name] = file
    if not files:
        raise InputError(f"{folder} holds no picture{f' whose name ends in {suffix}' if suffix else ''}")
    return files
