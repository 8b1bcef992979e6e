"""The learning rates of real runs, step by step, against the formulas of their schedules."""

from math import cos, pi

import pytest

from encore.analysis.results.metrics import curve, timeline

EPOCHS, STEPS, LR = 5, 4, 0.1
# 125 digits in batches of 32; logged now and then, so that some calls of the loop take several steps.
SMALL = {
    "data.fraction": 0.1, "data.batch_size": 32, "model.widths": [8], "optim": "sgd", "optim.lr": LR,
    "trainer.max_epochs": EPOCHS, "trainer.log_every_n_steps": 3,
}  # fmt: skip


def rates(run, **settings):
    """The result, and the learning rate by step, as far as it was logged."""
    result = run({**SMALL, **{key.replace("__", "."): value for key, value in settings.items()}})
    places, values = timeline(result.folder, "optim/lr")
    logged = {round(place * STEPS): value for place, value in zip(places, values, strict=True)}
    assert logged.keys() == {step for step in range(EPOCHS * STEPS) if step % STEPS == 0 or step % 3 == 0}
    return result, logged


def between(start, end, part):
    """Half a cosine from one rate to another."""
    return end + (start - end) * (1 + cos(pi * part)) / 2


def cosine(t, total, warmup=0.25, final=0.01):
    rising = warmup * total
    return (t + 1) / (rising + 1) if t < rising else between(1, final, (t - rising) / (total - rising))


def one_cycle(t, total, rising=0.25):
    top, end = rising * total - 1, total - 1
    return between(1 / 25, 1, t / top) if t <= top else between(1, 1 / 25 / 1e4, (t - top) / (end - top))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize(
    ("name", "settings", "formula"),
    [
        ("step", {"step_size": 2, "gamma": 0.5}, lambda t, _: 0.5 ** (t // 2)),
        ("multi_step", {"milestones": [1, 4], "gamma": 0.2}, lambda t, _: 0.2 ** sum(t >= at for at in (1, 4))),
        ("exponential", {"gamma": 0.9}, lambda t, _: 0.9**t),
        ("inverse_time", {"rate": 0.5}, lambda t, _: 1 / (1 + 0.5 * t)),
        ("cosine", {"warmup": 0.0, "final": 0.0}, lambda t, total: between(1, 0, t / total)),
    ],
)
def test_decays_in_a_run(run, name, settings, formula, interval):
    words = {f"scheduler__{key}": value for key, value in settings.items()}
    _, found = rates(run, scheduler=name, scheduler__interval=interval, **words)
    total = EPOCHS if interval == "epoch" else EPOCHS * STEPS
    expected = {step: LR * formula(step // STEPS if interval == "epoch" else step, total) for step in found}
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "settings", "formula"),
    [
        ("none", {}, lambda t, total: 1.0),
        ("cosine", {"scheduler.warmup": 0.25, "scheduler.final": 0.01}, cosine),
        ("one_cycle", {}, one_cycle),
    ],
)
def test_rates_without_a_decay_or_with_a_rise(run, name, settings, formula):
    _, found = rates(run, scheduler=name, **settings)
    assert found == pytest.approx({step: LR * formula(step, EPOCHS * STEPS) for step in found}, rel=1e-9)


def test_a_plateau_is_told_by_the_losses_that_were_logged(run):
    words = {"scheduler.patience": 1, "scheduler.factor": 0.5, "optim.lr": 2.0, "trainer.max_epochs": 12}
    result = run({**SMALL, "scheduler": "plateau", **words})
    places, values = timeline(result.folder, "optim/lr")
    found = [value for place, value in zip(places, values, strict=True) if place.is_integer()]
    rate, best, waited, expected = 2.0, float("inf"), 0, []
    for loss in curve(result.folder, "val/loss")[1]:
        expected.append(rate)
        best, waited = (loss, 0) if loss < best * (1 - 1e-4) else (best, waited + 1)  # torch's threshold
        if waited > 1:
            rate, waited = rate * 0.5, 0
    assert found == expected
    assert 1 < len(set(found)) < len(found)
