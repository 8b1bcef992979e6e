"""A run leaves the process that asked for it as it was, however it ends."""

import os
import random
import signal
import warnings

import numpy as np
import pytest
import torch
from endings import SMALL

from encore.callbacks.losses import Losses
from encore.errors import ConfigError
from encore.provenance.environment import determinism, tf32
from encore.provenance.variables import MATTER


def state() -> dict:
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": [str(part) for part in np.random.get_state()],
        "python": random.getstate(),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "determinism": determinism(),
        "precision": tf32(),
        "filters": list(warnings.filters),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals() if number < 32},
        "variables": {name: os.environ[name] for name in MATTER if name in os.environ},
    }


@pytest.fixture
def others():
    """Settings of a user's own that a run changes."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("ending", ["finished", "failed", "refused", "finished already"])
def test_everything_is_as_it_was(run, monkeypatch, others, ending):
    settings = {**SMALL, "trainer.max_epochs": 1, "trainer.tf32": True, "trainer.precision": "bf16-true"}
    settings |= {"model.dropout": 0.1}
    if ending == "finished already":
        run(settings)
    if ending == "failed":
        monkeypatch.setattr(Losses, "on_train_epoch_end", lambda *_: pytest.fail("a bug"))
    if ending == "refused":
        settings["data.batch_size"] = 1
        settings["model.norm"] = "batch"
    before = state()
    if ending == "failed":
        with pytest.raises(pytest.fail.Exception):
            run(settings)
    elif ending == "refused":
        with pytest.raises(ConfigError, match="more than 1 value per channel"):
            run(settings)
    else:
        assert run(settings).status == "finished"
    after = state()
    assert [name for name in before if after[name] != before[name]] == []
    if ending == "finished":  # and what it gave does not depend on what was set before it
        torch.use_deterministic_algorithms(True)
        again = run({**settings, "fresh": True})
        assert torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(False)
        assert again.weights_sha256 == run(settings).weights_sha256


@pytest.mark.parametrize("setting", ["model._target_", "task._target_", "data._target_", "+callbacks.mine._target_"])
def test_a_class_of_a_notebook_is_refused_with_the_way_out(run, setting):
    with pytest.raises(ConfigError, match=r"__main__\.Net: no other process .* %%writefile my_parts\.py"):
        run({**SMALL, setting: "__main__.Net"})
