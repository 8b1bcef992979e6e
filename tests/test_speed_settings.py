"""Settings that are there for speed: what they change, and that a run with them can be had again."""

import pytest
import torch
from endings import SMALL, asked_to_stop, assert_same

from encore.errors import ConfigError, Preempted


def test_channels_last_is_how_weights_lie_and_nothing_else(run):
    lies = run({**SMALL, "model": "cnn"})
    plain = run({**SMALL, "model": "cnn", "trainer.channels_last": False})
    assert lies.folder != plain.folder
    assert lies.metrics["test/loss"] == pytest.approx(plain.metrics["test/loss"], rel=1e-3)


def test_a_compiled_run_that_was_stopped_ends_in_the_same_bits(run, tmp_path, monkeypatch):
    settings = {**SMALL, "trainer.compile": True, "data.batch_size": 50}  # the last of 6 batches has two examples
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 8), pytest.raises(Preempted):
        run(settings)
    torch._dynamo.reset()  # as in a new process
    assert_same(run(settings).folder, reference.folder)


def test_tf32_is_allowed_or_not(run):
    before = torch.backends.cuda.matmul.fp32_precision
    try:
        run({**SMALL, "trainer.tf32": True})
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
        run({**SMALL, "trainer.tf32": False})
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def test_a_mode_that_tries_what_is_fastest_is_not_offered(run):
    with pytest.raises(ConfigError, match=r"trainer\.compile=max-autotune"):
        run({"trainer.compile": "max-autotune"})
