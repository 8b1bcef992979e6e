"""RandAugment: operations drawn at random, at one strength."""

from typing import Any

import torch
from torch import Tensor

from encore.data.augment import operations as op
from encore.data.augment.pixels import OnPixels

# The strength of each at the greatest magnitude, and whether its sign is drawn. What takes none has 0.
SPACE: dict[op.Operation, tuple[float, bool]] = {
    op.identity: (0.0, False), op.shear_x: (0.3, True), op.shear_y: (0.3, True), op.translate_x: (150 / 331, True),
    op.translate_y: (150 / 331, True), op.rotate: (30.0, True), op.brightness: (0.9, True), op.color: (0.9, True),
    op.contrast: (0.9, True), op.sharpness: (0.9, True), op.posterize: (4.0, False), op.solarize: (1.0, False),
    op.auto_contrast: (0.0, False), op.equalize: (0.0, False),
}  # fmt: skip


class RandAugment(OnPixels):
    """Change each picture by `operations` of fourteen, drawn alike for each picture, at one magnitude.

    The operations and their strengths are those of torchvision.transforms.v2.RandAugment.
    (Cubuk et al. 2020, RandAugment: Practical Automated Data Augmentation with a Reduced Search Space.)

    Args:
        operations: on each picture, one after another; the paper's N.
        magnitude: from 0 to 30; the paper's M.
        settings: those of `OnPixels`.
    """

    def __init__(self, operations: int = 2, magnitude: float = 9, **settings: Any) -> None:
        if operations < 1:
            raise ValueError(f"operations must be at least 1, not {operations}")
        if not 0 <= magnitude <= 30:
            raise ValueError(f"magnitude must be from 0 to 30, not {magnitude}")
        super().__init__(**settings)
        self.operations, self.magnitude = operations, magnitude

    def change(self, pictures: Tensor) -> Tensor:
        n, device = len(pictures), pictures.device
        which = torch.randint(len(SPACE), (self.operations, n), device=device)
        signs = torch.randint(2, (self.operations, n), device=device) * 2.0 - 1
        for drawn, sign in zip(which, signs, strict=True):
            pictures = op.applied(self.strengths(sign), drawn, pictures)
        return pictures

    def strengths(self, sign: Tensor) -> dict[op.Operation, Tensor]:
        """Each operation's strength for each picture, given its sign, [n]."""
        part = self.magnitude / 30
        found = {
            each: part * most * (sign if signed else torch.ones_like(sign)) for each, (most, signed) in SPACE.items()
        }
        found[op.posterize] = 8 - found[op.posterize].round()
        found[op.solarize] = 1 - found[op.solarize]
        return found
