"""AugMix: a picture mixed with chains of operations on it."""

from typing import Any

import torch
from torch import Tensor

from encore.data.augment import operations as op
from encore.data.augment.arrays import per_example
from encore.data.augment.draws import beta, positive
from encore.data.augment.pixels import OnPixels

# As torchvision's: the greatest strengths, and whether the sign is drawn. None changes colours, which the benchmarks of
# robustness that the paper is about do.
SPACE: dict[op.Operation, tuple[float, bool]] = {
    op.shear_x: (0.3, True), op.shear_y: (0.3, True), op.translate_x: (1 / 3, True), op.translate_y: (1 / 3, True),
    op.rotate: (30.0, True), op.posterize: (4.0, False), op.solarize: (1.0, False), op.auto_contrast: (0.0, False),
    op.equalize: (0.0, False),
}  # fmt: skip
LONGEST = 3  # operations in a chain whose length is drawn


class AugMix(OnPixels):
    """Mix each picture with `width` chains of one to three operations on it, all drawn for each picture.

    The operations and their strengths are those of torchvision.transforms.v2.AugMix with `all_ops=False`, which are the
    paper's. The paper's consistency loss over three such pictures is not part of it.
    (Hendrycks et al. 2020, AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty.)

    Args:
        severity: from 1 to 10; the strengths are drawn from as many of ten.
        width: number of chains.
        alpha: of the distributions that shares are drawn from: Dirichlet for the chains, Beta for the picture itself.
        settings: those of `OnPixels`.
    """

    def __init__(self, severity: int = 3, width: int = 3, alpha: float = 1.0, **settings: Any) -> None:
        if not 1 <= severity <= 10:
            raise ValueError(f"severity must be from 1 to 10, not {severity}")
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        super().__init__(**settings)
        self.severity, self.width, self.alpha = severity, width, positive("alpha", alpha)

    def change(self, pictures: Tensor) -> Tensor:
        n, device = len(pictures), pictures.device
        kept, shares = beta(self.alpha, pictures), self.shares(pictures)
        lengths = torch.randint(1, LONGEST + 1, (self.width, n), device=device)
        mixed = per_example(kept, pictures) * pictures
        for share, length in zip(shares, lengths, strict=True):
            chain = pictures
            for place in range(LONGEST):
                which = torch.randint(len(SPACE), (n,), device=device)
                level = torch.randint(self.severity, (n,), device=device) / 9
                sign = torch.randint(2, (n,), device=device) * 2.0 - 1
                which = torch.where(place < length, which, -1)  # none
                chain = op.applied(strengths(level, sign), which, chain)
            mixed = mixed + per_example((1 - kept) * share, pictures) * chain
        return mixed.to(pictures.dtype)

    def shares(self, pictures: Tensor) -> Tensor:
        """Each chain's share in the mixture of chains, [width, n]: a draw of Dirichlet(alpha, …, alpha)."""
        place = "cpu" if pictures.device.type == "mps" else pictures.device
        dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
        gammas = torch._standard_gamma(torch.full((self.width, len(pictures)), self.alpha, device=place, dtype=dtype))
        return (gammas / gammas.sum(0)).nan_to_num(1 / self.width).to(pictures)


def strengths(level: Tensor, sign: Tensor) -> dict[op.Operation, Tensor]:
    """Each operation's strength for each picture, given its level from 0 to 1 and its sign, [n]."""
    found = {each: level * most * (sign if signed else 1) for each, (most, signed) in SPACE.items()}
    found[op.posterize] = 4 - found[op.posterize].round()
    found[op.solarize] = 1 - found[op.solarize]
    return found
