"""Pictures of a few milliseconds each, by NumPy and Pillow: importing matplotlib would take longer than a short run."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, PAPER, FAINT = (40, 40, 40), (255, 255, 255), (150, 150, 150)
BLUE, ORANGE = (0, 90, 160), (190, 75, 0)  # Okabe and Ito's, darker: for letters
SIZE = 14  # of letters, in pixels
LINE = SIZE + 4

Colour = tuple[int, int, int]
Caption = list[tuple[str, Colour]]  # lines


@cache
def font(size: int = SIZE) -> Any:
    return ImageFont.load_default(size)


def canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (width, height), PAPER)
    return picture, ImageDraw.Draw(picture)


def as_array(picture: Image.Image) -> np.ndarray:
    """A picture as loggers take it, uint8 [height, width, 3]."""
    return np.asarray(picture)


def fitted(text: str, width: float, size: int = SIZE) -> str:
    """A text of one line, cut where it is wider than so many pixels."""
    text = " ".join(text.encode("latin-1", "replace").decode("latin-1").split())  # other letters the font has not
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def upwards(text: str, size: int = SIZE) -> Image.Image:
    """A text that is read from below."""
    width = int(font(size).getlength(text)) + 2
    picture, draw = canvas(width, size + 4)
    draw.text((0, 0), text, INK, font(size))
    return picture.transpose(Image.Transpose.ROTATE_90)


def as_bytes(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Pictures [k, channels, h, w] as uint8 [k, h, w, 3].

    Bytes stay as they are; other values are scaled from their least and greatest, unless these are given. Of more
    channels than three or of two, the first is shown.
    """
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
        finite = values[np.isfinite(values)]
        low = float(finite.min()) if low is None and finite.size else low or 0.0
        high = float(finite.max()) if high is None and finite.size else high or 0.0
        scaled = (np.nan_to_num(values, nan=low) - low) * (255 / (high - low) if high > low else 0.0)
        values = scaled.clip(0, 255).astype(np.uint8)
    if values.shape[1] != 3:
        values = values[:, :1].repeat(3, 1)
    return values.transpose(0, 2, 3, 1)


def sized(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures [k, h, w, 3] with a longer side of about so many pixels: whole pixels when enlarged."""
    height, width = pictures.shape[1:3]
    factor = side // max(height, width)
    if factor >= 1:
        return pictures.repeat(factor, 1).repeat(factor, 2)
    size = max(1, width * side // max(height, width)), max(1, height * side // max(height, width))
    return np.stack([np.asarray(Image.fromarray(one).resize(size)) for one in pictures])


def tiles(
    pictures: np.ndarray, columns: int, title: str = "", captions: Sequence[Caption] = (), gap: int = 8
) -> np.ndarray:
    """Pictures [k, h, w, 3] in rows, each with its caption below it."""
    height, width = pictures.shape[1:3]
    lines = max((len(caption) for caption in captions), default=0)
    top = LINE + gap if title else gap
    down, across = height + lines * LINE + gap, width + gap
    whole, draw = canvas(gap + min(columns, len(pictures)) * across, top + -(-len(pictures) // columns) * down)
    draw.text((gap, gap // 2), fitted(title, whole.width - 2 * gap), INK, font())
    for number, one in enumerate(pictures):
        left, above = gap + number % columns * across, top + number // columns * down
        whole.paste(Image.fromarray(one), (left, above))
        for line, (text, colour) in enumerate(captions[number] if captions else []):
            draw.text((left, above + height + 1 + line * LINE), fitted(text, width), colour, font())
    return as_array(whole)
