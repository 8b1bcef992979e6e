import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.optim import optimizer

from encore.config.compose import config_from
from encore.errors import ConfigError, Diverged
from encore.provenance.fingerprint import fingerprint
from encore.runner.clock import PARTS, Clock
from encore.runner.profile import table, window

SHORT = {"trainer.max_epochs": 3, "steps_per_execution": 8, "fresh": True}
SETTINGS = [
    {},
    {"steps_per_execution": 1},
    {"trainer.accumulate_grad_batches": 3, "trainer.gradient_clip_val": 0.1, "scheduler": "one_cycle"},
    {"trainer.precision": "bf16-mixed", "model": "cnn", "trainer.max_steps": 30},
    {"data.resident": False, "data.num_workers": 1, "trainer.max_epochs": 1},
]


def rows(folder: Path) -> dict[str, list[float]]:
    """The table that a run left: seconds, percent and microseconds a step, of each part."""
    found = re.findall(r"^(\w+) +([\d.]+) +([\d.]+)% +([\d.,]+) µs$", (folder / "profile.txt").read_text(), re.M)
    return {part: [float(number.replace(",", "")) for number in numbers] for part, *numbers in found}


def ranges(folder: Path) -> list[dict]:
    """What has a length in the trace that a run left."""
    return [event for event in json.loads((folder / "trace.json").read_text())["traceEvents"] if event["ph"] == "X"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: " ".join(map(str, settings.values())) or "default")
def test_a_profile_changes_no_bit(run, settings):
    plain = run({**SHORT, **settings})
    profiled = run({**SHORT, **settings, "trainer.profile": True})
    assert profiled.folder != plain.folder
    for value in ("weights_sha256", "losses_sha256", "metrics", "steps", "fingerprint"):
        assert getattr(profiled, value) == getattr(plain, value), value
    assert "one optimiser step per call" not in (profiled.folder / "train.log").read_text()
    assert not (plain.folder / "profile.txt").exists()


def test_it_is_part_of_no_fingerprint():
    assert fingerprint(config_from({"trainer.profile": True})) == fingerprint(config_from({}))


def test_the_table_has_every_part_and_their_sum(run):
    folder = run({**SHORT, "trainer.profile": True}).folder
    text, found = (folder / "profile.txt").read_text(), rows(folder)
    assert text in (folder / "train.log").read_text()
    assert text.startswith("40 steps ")
    assert list(found) == [*PARTS, "fit"]
    assert found["fit"][1] == 100
    for column, rounded in enumerate((0.0005, 0.05, 0.05)):
        together = sum(found[part][column] for part in PARTS)
        assert together == pytest.approx(found["fit"][column], abs=rounded * (len(PARTS) + 2))


def test_parts_and_trace_add_up_to_the_fit():
    times = iter(range(100))
    clock = Clock(wait=lambda: None, now=lambda: float(next(times)) ** 2)  # each second is longer than the one before
    clock.begin()
    for part in ("data", "forward", "backward"):
        clock.enter(part)
    clock.leave()
    clock.leave()
    clock.leave()
    clock.trace(True)
    clock.enter("optimiser")
    clock.leave()
    clock.trace(False)
    clock.enter("validation")
    clock.leave()
    clock.count()
    assert clock.seconds_before + sum(clock.seconds.values()) + clock.seconds_traced == clock.since
    assert clock.seconds["backward"] == 5**2 - 4**2  # what holds it is without it
    assert clock.seconds["forward"] == 4**2 - 3**2 + 6**2 - 5**2
    assert clock.seconds["optimiser"] == 0
    assert clock.seconds_traced == 11**2 - 8**2


def test_the_device_is_waited_for_at_every_turn_except_in_the_trace():
    waits = []
    clock = Clock(wait=lambda: waits.append(clock.within[-1]))
    clock.enter("forward")
    clock.leave()
    assert waits == ["framework", "forward"]
    clock.trace(True)
    waits.clear()
    clock.enter("forward")
    clock.leave()
    assert waits == []


def test_the_trace_has_the_parts_of_each_step_one_after_the_other(run):
    folder = run({**SHORT, "trainer.profile": True}).folder
    named = [event for event in ranges(folder) if event.get("cat") == "user_annotation" and event["name"] in PARTS]
    named.sort(key=lambda event: event["ts"])
    assert [event["name"] for event in named] == ["data", "forward", "backward", "optimiser"] * 20
    for event, following in itertools.pairwise(named):
        assert event["ts"] + event["dur"] <= following["ts"]
    assert "not in the table: 20 steps from step 20 on" in (folder / "profile.txt").read_text()
    assert any(event["name"] == "aten::addmm" for event in ranges(folder))


def test_the_trace_names_no_machine(run):
    content = json.loads((run({**SHORT, "trainer.profile": True}).folder / "trace.json").read_text())
    assert not {"host_name", "traceName"} & set(content)


def test_accumulated_batches_are_all_in_the_trace(run):
    folder = run({**SHORT, "trainer.profile": True, "trainer.accumulate_grad_batches": 4}).folder
    counts = Counter(event["name"] for event in ranges(folder))
    assert counts["optimiser"] * 4 == counts["data"] == counts["forward"] == counts["backward"] > 0


def test_a_run_of_one_step_has_a_table_and_no_trace(run):
    folder = run({**SHORT, "trainer.profile": True, "trainer.max_steps": 1}).folder
    assert rows(folder)["fit"][1] == 100
    assert not (folder / "trace.json").exists()


@pytest.mark.parametrize(
    ("steps", "traced"),
    [(0, range(0)), (1, range(0)), (2, range(1, 2)), (10, range(5, 8)), (40, range(20, 30)), (999, range(20, 40))],
)
def test_what_is_traced_is_after_a_warm_up_and_leaves_something_to_measure(steps, traced):
    assert list(window(steps)) == list(traced)


def test_a_run_that_goes_on_tells_of_the_steps_that_it_took(run):
    run({"trainer.max_epochs": 1, "trainer.profile": True})
    folder = run({"trainer.max_epochs": 3, "trainer.profile": True}).folder
    text = (folder / "profile.txt").read_text()
    assert text.startswith("30 steps ")
    assert "not in the table: 10 steps from step 40 on" in text


def test_a_table_of_no_steps_has_no_time_a_step():
    assert table({**dict.fromkeys(PARTS, 0.0), "framework": 1.0}, 0).splitlines()[-1].split() == [
        "fit", "1.000", "100.0%", "-",
    ]  # fmt: skip


def test_a_run_that_fails_has_its_profile_and_leaves_nothing_timed(run, tmp_path):
    backward = torch.autograd.backward
    with pytest.raises(Diverged):
        run({**SHORT, "trainer.profile": True, "optim": "sgd", "optim.lr": 1e30})
    assert len(list(tmp_path.rglob("profile.txt"))) == 1
    assert torch.autograd.backward is backward
    assert not optimizer._global_optimizer_pre_hooks
    assert not optimizer._global_optimizer_post_hooks


@pytest.mark.slow
def test_an_optimiser_that_calls_its_closure_often_is_told_apart(run):
    folder = run(
        "optim=sgd", "~optim.weight_decay", "~optim.fused", "optim._target_=torch.optim.LBFGS",
        "trainer.max_epochs=1", "trainer.profile=true",
    ).folder  # fmt: skip
    counts = Counter(event["name"] for event in ranges(folder))
    assert counts["forward"] == counts["backward"] == counts["optimiser"] > counts["data"] > 0


def test_a_wrong_value_says_what_it_must_be(command):
    with pytest.raises(ConfigError, match=r"trainer\.profile=maybe: must be one of True, False"):
        config_from({"trainer.profile": "maybe"})
    done = command("train.py", "trainer.profile=maybe")
    assert done.returncode == 1
    assert "trainer.profile=maybe" in done.stderr


@pytest.mark.slow
def test_what_writes_the_trace_says_nothing_on_the_terminal(command):
    done = command("train.py", "trainer.max_epochs=1", "trainer.profile=true", "trainer.accelerator=cpu")
    assert done.returncode == 0
    assert "framework" in done.stdout
    assert "profiler" not in done.stderr
    assert "ERROR" not in done.stderr
