"""A run leaves the process that asked for it as it was: a notebook, say, goes on with its own settings."""

import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import numpy as np
import torch

# Switches below torch.backends that a run or Lightning's Trainer sets; the older ones of TF32 set the newer ones, too.
SWITCHES = (
    "cudnn.benchmark", "cudnn.deterministic", "cuda.matmul.allow_tf32", "cudnn.allow_tf32",
    "cuda.matmul.fp32_precision", "cudnn.conv.fp32_precision", "cudnn.rnn.fp32_precision",
)  # fmt: skip
VARIABLE = "CUBLAS_WORKSPACE_CONFIG"  # which Lightning sets with deterministic mode
# How to ask for a state, and how to bring it back.
STATES: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
]


@contextmanager
def as_before() -> Iterator[None]:
    """Bring back generators, threads, deterministic mode, precision and filters of warnings at the end of the block."""
    states = [(bring_back, ask()) for ask, bring_back in STATES]
    switches = {name: value for name in SWITCHES if (value := switch_of(name)) is not None}
    variable = os.environ.get(VARIABLE)
    of_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for bring_back, state in states:
                bring_back(state)
            for name, value in switches.items():
                owner, _, last = name.rpartition(".")
                setattr(attrgetter(owner)(torch.backends), last, value)
            if of_gpus is not None:
                torch.cuda.set_rng_state_all(of_gpus)
            if variable is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = variable


def switch_of(name: str) -> Any:
    """A switch's value; None where torch refuses to say, as its owner has used the newer ones alone."""
    try:
        return attrgetter(name)(torch.backends)
    except RuntimeError:
        return None
