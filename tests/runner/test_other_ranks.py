"""A run that was stopped and is continued on another number of ranks: a run of its own, on the examples left."""

import json
import shutil
import signal
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from encore.callbacks.losses import Losses
from encore.config.compose import config_from
from encore.errors import Busy, InputError, Preempted
from encore.provenance.fingerprint import computing, fingerprint
from encore.record.checkpoint_files import load
from encore.record.lock import held
from encore.record.result import Result
from encore.tasks.tally import Tally, regrouped

# A callback that writes down which examples each rank sees in each batch: their numbers are in their first two bytes.
SEEN = """
import os
from pathlib import Path
import pytorch_lightning as pl

class Seen(pl.Callback):
    def on_train_batch_end(self, trainer, task, outputs, batch, index):
        rows = (batch[0][:, :2] * 255).round().int().tolist()
        numbers = " ".join(str(256 * high + low) for high, low in rows)
        with (Path(os.environ["SEEN"]) / str(trainer.global_rank)).open("a") as file:
            file.write(f"{trainer.current_epoch} {index} {numbers}\\n")
"""
DIGITS = {
    "steps_per_execution": 1,  # ranks agree on a number of steps by the time that they take
    "threads": 4, "data.fraction": 0.2, "trainer.max_epochs": 3, "data.batch_size": 50, "trainer.log_every_n_steps": 2,
}  # fmt: skip
EPOCHS = 3


def on(ranks):
    """The settings of a run on so many ranks."""
    return {"trainer.devices": 1} if ranks == 1 else {"trainer": "ddp", "trainer.devices": ranks}


@contextmanager
def stopping(monkeypatch, after):
    """Ask a run to stop when so many batches have been trained on."""
    plain = Losses.add

    def add(self, *given):
        plain(self, *given)
        if self.written + len(self.unseen) == after:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "add", add)
        yield


def stopped(run, monkeypatch, settings, after):
    """The folder of a run that was stopped after so many batches."""
    before = set(Path(settings["runs_dir"]).rglob("result.json"))
    with stopping(monkeypatch, after), pytest.raises(Preempted):
        run(settings)
    (file,) = set(Path(settings["runs_dir"]).rglob("result.json")) - before
    return file.parent


@pytest.fixture
def small(tmp_path):
    """Settings of a run with an own folder of runs."""
    return {**DIGITS, "runs_dir": str(tmp_path / "runs")}


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Settings of a run on numbered examples, and what gives the examples of each batch, and forgets them."""
    code, told = tmp_path / "code", tmp_path / "seen"
    code.mkdir()
    (code / "watching.py").write_text(SEEN)
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.setenv("SEEN", str(told))
    number, generator = 603, np.random.default_rng(0)
    examples = generator.integers(0, 256, (number, 12), dtype=np.uint8)
    examples[:, 0], examples[:, 1] = np.arange(number) // 256, np.arange(number) % 256
    np.savez(tmp_path / "numbered.npz", x=examples, y=examples[:, 2] // 86)
    told.mkdir()

    def take():
        batches = defaultdict(list)
        for file in told.iterdir():
            for line in file.read_text().splitlines():
                epoch, index, *numbers = map(int, line.split())
                batches[epoch, index] += numbers
            file.unlink()
        return {place: sorted(numbers) for place, numbers in batches.items()}

    settings = {
        "runs_dir": str(tmp_path / "runs"), "threads": 4, "data": "npz", "data.path": str(tmp_path / "numbered.npz"),
        "data.shape": [12], "data.num_classes": 3, "data.normalize": "none", "data.batch_size": 50,
        "trainer.max_epochs": EPOCHS, "+callbacks.seen._target_": "watching.Seen",
    }  # fmt: skip
    return settings, take


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second", "after"), [(2, 1, 13), (1, 2, 13), (2, 4, 5), (2, 1, 9)])
def test_a_run_continued_on_another_number_of_ranks_sees_the_examples_that_are_left(
    run, monkeypatch, seen, first, second, after
):
    settings, take = seen
    whole = run({**settings, **on(1), "runs_dir": f"{settings['runs_dir']}-reference"})
    expected = take()
    for epoch in range(EPOCHS):
        numbers = [number for (of, _), batch in expected.items() if of == epoch for number in batch]
        assert len(numbers) == len(set(numbers)) == 422
    folder = stopped(run, monkeypatch, {**settings, **on(first)}, after)
    result = run({**settings, **on(second), "continue_from": folder.name})
    assert take() == expected
    assert (result.epochs, result.steps) == (whole.epochs, whole.steps)
    assert len((result.folder / "losses.f32").read_bytes()) == 4 * whole.steps
    assert result.metrics == pytest.approx(whole.metrics, rel=0.05, abs=0.05)
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["order_sha256"] == json.loads((whole.folder / "manifest.json").read_text())["order_sha256"]


@pytest.fixture
def interrupted(run, monkeypatch, small):
    """The folder of a run on two ranks that was stopped within its second epoch."""
    return stopped(run, monkeypatch, {**small, **on(2)}, 8)


@pytest.mark.slow
def test_a_continued_run_is_one_of_its_own_and_says_so(run, monkeypatch, small, interrupted, capsys, command):
    before = Result.read(interrupted)
    settings = {**small, **on(1), "continue_from": str(interrupted)}
    begun = {file: file.read_bytes() for file in interrupted.rglob("*") if file.is_file()}
    with stopping(monkeypatch, 12), pytest.raises(Preempted):  # and is itself stopped, and resumed to the same bits
        run({**settings, "runs_dir": str(interrupted.parents[2])})
    resumed = run(settings)
    assert "where it was stopped, after epoch 2" in capsys.readouterr().out
    fresh = run({**settings, "fresh": True})
    said = capsys.readouterr().out
    assert (
        f"where {interrupted.name} (on 2 ranks) was stopped, after epoch 1, step 8: from here on not bit for bit"
        in said
    )
    assert "(on 2 ranks) was stopped" in (fresh.folder / "train.log").read_text()
    assert (fresh.weights_sha256, fresh.losses_sha256) == (resumed.weights_sha256, resumed.losses_sha256)
    assert begun == {file: file.read_bytes() for file in begun}  # the run that it continues is as it was
    alone = run({**small, **on(1)})
    assert len({before.fingerprint, fresh.fingerprint, alone.fingerprint}) == 3
    for folder in (fresh.folder, resumed.folder):
        continues = json.loads((folder / "manifest.json").read_text())["continues"]
        assert (continues["run"], continues["fingerprint"]) == (interrupted.name, before.fingerprint)
        assert (continues["ranks"], continues["epoch"], continues["step"]) == (2, 1, 8)
    told = command("scripts/reproduce.py", str(fresh.folder))
    assert told.returncode == 0, told.stdout
    assert f"its first 8 steps are those of {interrupted.name}, on 2 ranks" in told.stdout
    assert "REPRODUCED bit for bit" in told.stdout
    listed = command("scripts/runs.py", str(fresh.folder))
    assert "continue_from" in listed.stdout
    assert run({**small, **on(2)}).fingerprint == before.fingerprint  # it can still be continued exactly
    told = command("scripts/reproduce.py", str(fresh.folder))
    assert told.returncode == InputError.code  # its beginning is no longer there
    assert "has changed" in told.stdout
    assert command("scripts/evaluate.py", str(fresh.folder)).returncode == 0  # which needs its weights alone


@pytest.mark.slow
def test_what_differs_in_more_than_the_number_of_ranks_is_refused(run, monkeypatch, small, interrupted, tmp_path):
    for settings, error, message in (
        (on(2), InputError, "has 2 ranks, too: the same without continue_from continues it"),
        ({**on(1), "optim.lr": 0.5}, InputError, "optim.lr=0.001 there, 0.5 here"),
        ({**on(1), "data.batch_size": 40}, InputError, "data.batch_size=50 there, 40 here"),
        ({"trainer": "fsdp", "trainer.devices": 1}, InputError, "has other states than one of trainer=ddp"),
    ):
        with pytest.raises(error, match=message):
            run({**small, **settings, "continue_from": str(interrupted)})
    with held(interrupted), pytest.raises(Busy):
        run({**small, **on(1), "continue_from": str(interrupted)})
    assert len(list(interrupted.parents[2].rglob("result.json"))) == 1  # none of these left a run
    (interrupted / "checkpoints" / "last.ckpt").write_bytes(b"truncated")
    with pytest.raises(InputError, match="truncated or altered"):
        run({**small, **on(1), "continue_from": str(interrupted)})
    shutil.rmtree(interrupted / "checkpoints")
    with pytest.raises(InputError, match=r"has no checkpoints/last.ckpt"):
        run({**small, **on(1), "continue_from": str(interrupted)})
    finished = run({**small, **on(2)})
    with pytest.raises(InputError, match="is finished: there is nothing to continue"):
        run({**small, **on(1), "continue_from": str(finished.folder)})


@pytest.mark.slow
def test_a_new_run_says_that_one_on_another_number_of_ranks_was_stopped(run, small, interrupted, capsys):
    run({**small, **on(1), "optim.lr": 0.01})  # another run in more than its ranks
    assert "continue_from" not in capsys.readouterr().out
    run({**small, **on(1)})
    assert f"continue_from={interrupted.name} continues it, not bit for bit" in capsys.readouterr().out


@pytest.mark.slow
def test_best_weights_that_are_lost_are_chosen_anew(run, small, interrupted, capsys):
    from encore.record.checkpoint_files import save

    checkpoints = interrupted / "checkpoints"
    best = load(checkpoints / "best.ckpt")
    save({**best, "epoch": 2, "best": {**best["best"], "epoch": 2}}, checkpoints / "best.ckpt")
    result = run({**small, **on(1), "continue_from": str(interrupted)})
    assert "the best weights up to here are lost" in capsys.readouterr().out
    assert load(result.folder / "checkpoints" / "best.ckpt")["best"]["epoch"] >= 1


def test_a_missing_or_unclear_run_is_refused(tmp_path):
    for named, message in ((str(tmp_path / "x"), "is not there: name a run"), (str(tmp_path), "is no run's folder")):
        with pytest.raises(InputError, match=message):
            config_from({"continue_from": named, "runs_dir": str(tmp_path)})


def test_without_it_no_run_becomes_another():
    assert "continue_from" not in computing(config_from({}))
    assert fingerprint(config_from({})) == fingerprint({**config_from({}), "continue_from": None})


def test_what_ranks_have_counted_is_added_up():
    from torchmetrics import MetricCollection, PearsonCorrCoef
    from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC

    torch.manual_seed(0)
    scores = MetricCollection({"accuracy": MulticlassAccuracy(3), "auroc": MulticlassAUROC(3)})
    whole, states = Tally(scores), []
    for rank in range(3):
        one = Tally(scores)
        for part in range(rank):  # the first rank has seen nothing
            batch = torch.rand(()), torch.rand(5, 3).softmax(1), torch.randint(0, 3, (5,)), 5
            one.update(*batch)
            whole.update(*batch)
            if not part:
                one.count()
        states.append(one.state())
    expected = whole.means()
    for ranks in (1, 2, 5):
        again = Tally(scores)
        parts = again.regrouped(states, ranks)
        assert len(parts) == ranks
        again.restore(again.regrouped(parts, 1)[0])
        assert {name: float(value) for name, value in again.means().items()} == pytest.approx(
            {name: float(value) for name, value in expected.items()}
        )
    metric = PearsonCorrCoef()
    metric.update(torch.rand(4), torch.rand(4))
    state = {"r": {"updates": 1, **metric.metric_state}}
    assert regrouped([state], {"r": metric}, 3) == [state, {}, {}]
    with pytest.raises(InputError, match="cannot add up"):
        regrouped([state, state], {"r": metric}, 1)
