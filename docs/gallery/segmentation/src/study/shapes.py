"""Pictures of discs and squares, with a mask of which pixel belongs to what."""

import numpy as np


class Shapes:
    """A disc (class 1) and a square (class 2) on noise, in colours that tell nothing; the upper one hides the other.

    Args:
        examples: how many pictures.
        side: height and width of a picture in pixels.
        seed: of the draws.
    """

    classes = ("background", "disc", "square")

    def __init__(self, examples: int, side: int, seed: int) -> None:
        draw = np.random.default_rng(seed)
        y, x = np.mgrid[:side, :side]
        self.masks = np.zeros((examples, side, side), np.uint8)
        self.pictures = draw.integers(0, 80, (examples, 3, side, side)).astype(np.uint8)
        for mask, picture in zip(self.masks, self.pictures, strict=True):
            for kind in draw.permutation([1, 2]):
                (row, column), radius = draw.integers(4, side - 4, 2), draw.integers(3, side // 4)
                far_y, far_x = abs(y - row), abs(x - column)
                inside = far_y**2 + far_x**2 <= radius**2 if kind == 1 else np.maximum(far_y, far_x) <= radius
                mask[inside] = kind
                picture[:, inside] = draw.integers(100, 256, (3, 1))
