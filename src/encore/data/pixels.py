"""A picture as bytes: upright, and with what bytes have no place for worked in or refused."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from encore.errors import InputError
from encore.provenance import remembered
from encore.terminal import counted

BACKGROUND = (255, 255, 255)  # what shows through where a picture is transparent
PLAIN = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # 16 bits a pixel
# What PIL raises for a file that is broken, truncated, no picture, or of so many pixels that it may be an attack.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, UnidentifiedImageError, Image.DecompressionBombError)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture's file, opened.

    Raises:
        InputError: it is not there, or cannot be decoded; names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # a large photograph is no attack
            with Image.open(path) as picture:
                yield picture
    except InputError:
        raise
    except BROKEN as problem:
        raise InputError(f"{shown(path)} cannot be read as a picture: {problem}") from problem


def as_array(picture: Any, channels: int, size: Sequence[int] | None = None) -> np.ndarray:
    """A picture's pixels.

    Args:
        picture: of PIL.
        channels: 1 or 3.
        size: height and width to resize it to.

    Returns:
        uint8 [channels, h, w].

    Raises:
        ValueError: it has values that no byte stands for.
    """
    bytes_each = colours(upright(picture)).convert("L" if channels == 1 else "RGB")
    if size is not None:
        bytes_each = bytes_each.resize((size[1], size[0]))
    pixels = np.array(bytes_each)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def upright(picture: Any) -> Any:
    """A picture turned as its camera noted it (EXIF)."""
    return ImageOps.exif_transpose(picture) if hasattr(picture, "getexif") else picture


def colours(picture: Any) -> Any:
    """A picture as RGB: transparency laid on white, 16 bits scaled to 8.

    Raises:
        ValueError: it has floats, 32 bits a pixel or a colour space that PIL does not convert.
    """
    mode = picture.mode
    # A grey PNG of 16 bits is read as 32 by some versions of PIL.
    if mode in DEEP or (mode == "I" and getattr(picture, "format", None) == "PNG"):
        scaled = (np.asarray(picture).astype(np.uint32) * 255 + 32767) // 65535
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        solid = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", solid.size, (*BACKGROUND, 255)), solid).convert("RGB")
    if mode not in PLAIN:
        raise ValueError(f"it has the mode {mode}, whose values are no bytes: store it with 8 or 16 bits a channel")
    return picture.convert("RGB")


def check_all(paths: Sequence[Path]) -> None:
    """Raise InputError if a picture cannot be decoded; what was good is not decoded again while it is the same."""

    for path in counted(paths, len(paths), "checking pictures"):
        try:
            remembered.value(path, "picture", 1, partial(decodes, path))
        except OSError as problem:
            raise InputError(f"{shown(path)} is gone, or leads nowhere: {problem.strerror}") from problem


def decodes(path: Path) -> str:
    """Decode a picture, as far as that is needed to know that it can be.

    Raises:
        InputError: it cannot.
    """
    with opened(path) as picture:
        picture.draft("RGB", (64, 64))  # a JPEG is read to its end all the same, in a third of the time
        colours(picture)
    return "good"


def shown(path: Path) -> str:
    """A path that a terminal can show, also where its name is no UTF-8."""
    return printable(str(path))


def printable(text: str) -> str:
    """A text with escapes in place of bytes that are no UTF-8."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
