"""Seeds: every random number of a run depends on its place in the run only."""

import hashlib
import random

import numpy as np
import torch


def derive(*key: int | str) -> int:
    """The seed of one place in a run, such as `derive(seed, "order", epoch)`, as 63 bits.

    It depends only on its arguments, never on what was drawn before, so that a run can resume at any step.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the default generators of the CPU and of a device.

    `torch.manual_seed` seeds every kind of device, which takes half a millisecond for a CUDA build without a GPU: it
    keeps a stack trace per kind for later initialisation.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.init()  # without which there are no generators; nothing where it has begun
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def seed_everywhere(seed: int, device: torch.device) -> None:
    """Seed those generators as well as Python's and NumPy's, which third-party code may use."""
    seed_generators(seed, device)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def seed_every_device(seed: int) -> None:
    """Seed the default generators of the CPU and of every other device that there is."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
