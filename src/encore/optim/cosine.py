"""The cosine schedule with warm-up, as a factor of the optimiser's learning rate."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine(optimizer: Optimizer, total: int, warmup: float = 0.0, final: float = 0.0) -> LambdaLR:
    """Linear warm-up to lr, then half a cosine down to `final` · lr (Loshchilov and Hutter 2017).

    Args:
        optimizer: the optimiser whose learning rate is scheduled.
        total: number of intervals.
        warmup: fraction of the total spent on warm-up.
        final: fraction of lr at the end.

    Raises:
        ValueError: `warmup` or `final` not between 0 and 1, or a total below 1.
    """
    if total < 1 or not 0 <= warmup < 1 or not 0 <= final <= 1:
        raise ValueError(f"total={total} must be at least 1, warmup={warmup} below 1, final={final} at most 1")
    rising = round(total * warmup)

    def factor(t: int) -> float:
        if t < rising:
            return (t + 1) / (rising + 1)
        passed = min((t - rising) / max(total - rising, 1), 1.0)
        return final + (1 - final) * (1 + math.cos(math.pi * passed)) / 2

    return LambdaLR(optimizer, factor)
