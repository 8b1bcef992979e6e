"""The benchmark compares what does the same, and says so in a form that others can read; nothing is timed here."""

import json
import sys

import pytest
import torch
from benchmarks import processes
from benchmarks.datasets import Place
from benchmarks.epochs import check_same, hand_written, side_by_side
from benchmarks.figure import MEASURES, Figure, table
from benchmarks.ranks import ddp_tax
from benchmarks.training import pairs_tax, text_tax
from benchmarks.turns import Turns
from benchmarks.usual import PlainLoop, train

from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.errors import InputError, NotReproduced
from encore.runner.quiet import quiet


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, "cpu")


@pytest.mark.parametrize(
    "settings",
    [
        ["model=mlp", "optim=adam"],
        ["model=softmax", "optim=sgd", "data.batch_size=50", "data.eval_batch_size=64"],
        ["model=cnn", "model.channels=[4,8]", "optim=momentum", "data.fraction=0.2"],
    ],
    ids=lambda settings: settings[0],
)
def test_a_run_and_the_hand_written_loop_end_in_the_same_bits(place, settings):
    overrides = [*place.settings, *settings, "trainer.max_epochs=3"]
    loop = hand_written(config_from(overrides))
    result, mine, by_hand = side_by_side(overrides, loop.epoch)
    check_same(result, loop)
    assert torch.cat(loop.losses).unique().numel() > 10
    assert loop.val_accuracy == pytest.approx(result.metrics["val/accuracy"])
    assert len(mine) == len(by_hand) == 1  # of three: the first warms up, the last has no end


def test_texts_are_gathered_by_hand_to_the_same_bits(place):
    assert len(text_tax(place, pairs=1, texts=400).samples) == 1  # it compares them


def test_batches_of_writers_are_put_together_by_hand_to_the_same_bits(place):
    assert len(pairs_tax(place, pairs=1, writers=8).samples) == 1  # it compares them


@pytest.mark.slow
def test_two_ranks_by_hand_end_in_the_same_bits(place):
    assert len(ddp_tax(place, pairs=1).samples) == 1  # it compares them


def test_one_bit_is_a_difference(place):
    overrides = [*place.settings, "trainer.max_epochs=2"]
    loop = hand_written(config_from(overrides))
    result, _, _ = side_by_side(overrides, loop.epoch)
    weight = next(loop.net.parameters()).data.view(-1)
    weight[0] = torch.nextafter(weight[0], torch.tensor(9.0))
    with pytest.raises(NotReproduced, match=r"net\.layers\.0\.weight"):
        check_same(result, loop)
    loop.losses[0][3] += 1
    with pytest.raises(NotReproduced, match="losses"):
        check_same(result, loop)


def test_the_usual_ways_train(mnist_files, tmp_path):
    folder = mnist_files("FashionMNIST")
    cfg = config_from(
        {"data": "fashion_mnist", "data_dir": str(folder), "data.sha256": None, "trainer.max_epochs": 2, "threads": 1,
         "trainer.accelerator": "cpu"}
    )  # fmt: skip
    loop = PlainLoop(cfg)
    before = [parameter.clone() for parameter in loop.net.parameters()]
    loop.epoch(0)
    assert not any(map(torch.equal, before, loop.net.parameters()))
    inputs, _ = next(iter(loop.loaders.val))
    assert inputs.shape[1:] == (1, 28, 28)
    assert abs(inputs.mean()) < 0.2  # normalised as Encore's
    starts = []
    with quiet():
        train(cfg, tmp_path / "usual", lambda: starts.append(1))
    assert len(starts) == 2
    assert list(tmp_path.glob("usual/**/*.ckpt"))


def test_random_data_are_in_the_place_of_data_that_are_not_there(place, tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_DATA_DIR", str(tmp_path / "empty"))
    cfg = config_from([*place.settings, *place.fashion_mnist()])
    data = DataModule(cfg["data"], cfg["data_dir"], seed=0)
    data.setup()
    assert data.sizes == {"train": 55_000, "val": 5_000, "test": 10_000}
    assert not (tmp_path / "empty").exists()


def test_turns_are_taken():
    said = []

    def work(pause):
        for epoch in range(2):
            pause()
            said.append(f"there {epoch}")
        raise InputError("no more")

    turns = Turns(work)
    said.append("here")
    turns.epoch(0)
    said.append("here again")
    with pytest.raises(InputError, match="no more"):
        turns.epoch(1)
    assert said == ["here", "there 0", "here again", "there 1"]


@pytest.mark.slow
def test_startup_ends_with_the_first_step(place):
    command = [sys.executable, "-c", processes.UNTIL_FIRST_STEP + processes.SCRIPT, processes.TRAIN, *place.settings]
    _, peak = processes.measured(command, processes.STEPPED)
    assert peak > 1e8  # bytes, not kilobytes
    [folder] = (file.parent for file in (place.folder / "runs").rglob("result.json"))
    assert not (folder / "losses.f32").exists()  # it ended before its first epoch did
    with pytest.raises(InputError, match="there is no setting"):
        processes.measured([*command, "optim.lrr=1"], processes.STEPPED)


@pytest.mark.slow
def test_figures_are_written_in_the_agreed_form(command, tmp_path):
    answer = command("scripts/benchmark.py", "--only", "help_seconds", "--json", str(tmp_path / "figures.json"))
    assert answer.returncode == 0, answer.stderr
    assert "help_seconds" in answer.stdout
    written = json.loads((tmp_path / "figures.json").read_text())
    assert set(written) == {"results", "machine"}
    figure = written["results"]["help_seconds"]
    assert isinstance(figure["value"], float)
    assert len(figure["samples"]) == 5
    assert figure["bar"] == 1
    assert written["machine"]["threads"]["intra"] == 1


def test_a_figure_that_is_not_known_is_answered_with_those_that_are(command):
    answer = command("scripts/benchmark.py", "--only", "trainer_tax")
    assert answer.returncode == 1
    assert "there is no figure trainer_tax; choose from trainer_tax_b512, " in answer.stderr
    answer = command("scripts/benchmark.py", "data=mnist", "--only", "startup")
    assert answer.returncode == 1
    assert "choose from checkpoint_share, record_step, record_run" in answer.stderr


@pytest.mark.parametrize(("key", "value", "verdict"), [("data_path", 14.0, "NO"), ("data_path", 15.0, "yes")])
def test_a_bar_that_is_missed_is_seen(key, value, verdict):
    assert MEASURES[key].at_least
    assert verdict in table({key: Figure(value, [value])}).splitlines()[1].split()
