"""Every random number of a run is drawn from a seed that its place in the run determines."""

import hashlib

import torch


def derive(*key: int | str) -> int:
    """The seed of one place in a run, such as `derive(seed, "order", epoch)`, as 63 bits.

    It depends on its arguments alone, never on what was drawn before, so that a run can be entered
    at any step.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the default generators of the CPU and of a device.

    `torch.manual_seed` does the same for every kind of device, and takes half a millisecond where a CUDA build has
    no GPU: it keeps a stack trace for each kind, should it ever be started.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
