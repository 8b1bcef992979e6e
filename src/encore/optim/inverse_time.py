"""The 1/t schedule, as a factor of the optimiser's learning rate."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def inverse_time(optimizer: Optimizer, rate: float) -> LambdaLR:
    """lr / (1 + rate · t), with t in intervals: the 1/t decay.

    Raises:
        ValueError: a negative rate.
    """
    if rate < 0:
        raise ValueError(f"rate must be at least 0, not {rate}")
    return LambdaLR(optimizer, lambda t: 1 / (1 + rate * t))
