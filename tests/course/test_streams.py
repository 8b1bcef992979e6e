"""Streams that drift: what is read, in which order, what is remembered, and that all of it can be resumed."""

import functools

import numpy as np
import pytest
import torch
from conftest import REAL, pictures, write_idx
from endings import asked_to_stop, assert_same

from course.streams import command, report
from course.streams.metrics import TaskAccuracy
from course.streams.source import Stream, turned
from course.streams.task import Streaming
from encore.data.module import DataModule
from encore.errors import ConfigError, InputError, Preempted

EXPERIMENTS = ("stream_rotation", "stream_classes")


@pytest.fixture
def folder(tmp_path):
    """A small Fashion-MNIST: 400 pictures."""
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    write_idx(raw, "train", *pictures(400, 10, (28, 28)))
    write_idx(raw, "t10k", *pictures(20, 10, (28, 28)))
    return tmp_path / "data"


@pytest.fixture
def settings(folder):
    return {"data_dir": str(folder), "data.sha256": None, "data.batch_size": 6, "model.widths": [8]}


def module(folder, **recipe):
    """The data of a stream of 10 tasks, and its training order."""
    cfg = {
        **{"name": "stream", "shape": [1, 28, 28], "num_classes": 10, "inputs": {"picture": "data"}},
        **{
            "targets": ["label", "task"],
            "stratify": "task",
            "val_fraction": 0.1,
            "test_fraction": 0.0,
            "fraction": 1.0,
        },
        **{"normalize": "none", "split_seed": 0, "batch_size": 6, "shuffle": True, "drop_last": False, "test": None},
        "train": {"_target_": "course.streams.source.Stream", "drift": "rotation", "tasks": 10},
        "order": {"_target_": "course.streams.order.streamed", "epochs": 10},
    }
    data = DataModule({**cfg, **recipe}, str(folder), 0)
    data.setup()
    return data


def test_pictures_turn_gradually_from_upright_to_upside_down(folder):
    plain, stream = Stream(str(folder), "rotation", 10, degrees=0), Stream(str(folder), "rotation", 10)
    assert torch.equal(stream.data[0], plain.data[0])
    assert torch.equal(stream.data[-1], plain.data[-1].flip(0, 1))
    assert stream.task.tolist() == sorted(stream.task.tolist())
    assert torch.equal(stream.label, plain.label)


def test_a_picture_is_turned_counter_clockwise():
    picture = torch.zeros(1, 5, 5, dtype=torch.uint8)
    picture[0, 0, 2] = 200  # at the top
    (place,) = turned(picture, torch.tensor([90.0])).nonzero().tolist()
    assert place == [0, 2, 0]  # at the left


def test_classes_come_in_turns(folder):
    stream = Stream(str(folder), "classes", 5)
    assert stream.task.tolist() == [task for task in range(5) for _ in range(80)]
    assert torch.equal(stream.task, stream.label // 2)
    assert stream.label[:80].tolist() != sorted(stream.label[:80].tolist())


def test_every_example_is_read_once_and_in_the_stream_s_order(folder):
    data = module(folder)
    order = data.train_order()
    read = torch.cat([order.of_epoch(epoch) for epoch in range(10)])
    assert read.tolist() == sorted(set(read.tolist()))
    assert len(read) == 10 * len(order) * 6
    assert [set(data.source.labels("task")[order.of_epoch(epoch)]) for epoch in range(10)] == [{n} for n in range(10)]


def test_a_window_is_one_task_shuffled_anew(folder):
    order = module(folder, order={"_target_": "course.streams.order.streamed", "epochs": 3, "window": 4}).train_order()
    task_by_task = module(folder).train_order()
    first, second = order.of_epoch(0), order.of_epoch(1)
    assert first.tolist() != second.tolist()
    assert sorted(first.tolist()) == sorted(second.tolist()) == task_by_task.parts[4].tolist()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"trainer.max_epochs": 11}, InputError, "the stream ends after 10 tasks and is read once: lower trainer.max_"),
        ({"+data.train.examples": 401}, InputError, r"the stream ends after 400 examples: data\.train\.examples=401"),
        ({"+data.train.examples": 50}, InputError, "task 0 of the stream ends after 4 training examples, before its"),
        ({"data.order.window": 10}, ConfigError, r"data\.order\.window=10: the stream has tasks 0 to 9"),
        ({"data.train.drift": "colour"}, ConfigError, "must be rotation or classes, not colour"),
        ({"data.train.drift": "classes", "data.train.tasks": 3}, ConfigError, "divide the 10 classes"),
        ({"task.replay": -1}, ConfigError, "replay must be at least 0"),
    ],
)
def test_a_stream_that_ends_early_and_others_that_cannot_be_leave_nothing(run, tmp_path, settings, error, message):
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    write_idx(raw, "train", *pictures(400, 10, (28, 28)))
    write_idx(raw, "t10k", *pictures(20, 10, (28, 28)))
    common = {"experiment": "stream_rotation", "data_dir": str(tmp_path / "data"), "data.sha256": None}
    with pytest.raises(error, match=message):
        run({**common, "data.batch_size": 6, "data.split_seed": 0, **settings})
    assert not list((tmp_path / "runs").rglob("result.json"))


def test_files_that_are_not_there_are_named_with_the_remedy(run, tmp_path):
    with pytest.raises(InputError, match=r"fetch_data\.py fashion_mnist"):
        run({"experiment": "stream_classes", "data_dir": str(tmp_path), "data.sha256": None})


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_stream_is_predicted_before_it_is_learned_and_each_task_is_tried_after_each(run, settings, experiment):
    result = run({**settings, "experiment": experiment, "task.replay": 20})
    tables = result.folder / "tables"
    matrix, right = (np.loadtxt(tables / f"{name}.csv", delimiter=",") for name in ("val-matrix", "train-prequential"))
    tasks = 10 if experiment == "stream_rotation" else 5
    assert matrix.shape == (tasks, tasks)
    assert matrix[-1].mean() == pytest.approx(result.metrics["val/accuracy"], abs=1e-6)
    steps = len(right) // tasks
    assert right[-steps:].mean() == pytest.approx(result.metrics["train/accuracy"], abs=1e-6)


def test_a_stream_that_is_resumed_in_its_middle_ends_in_the_same_bits(run, tmp_path, monkeypatch, settings):
    settings |= {"experiment": "stream_classes", "task.replay": 20, "callbacks.checkpoint.min_seconds_between": 0}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 4, 9):
        for _ in range(2):
            with pytest.raises(Preempted):
                run(settings)
        result = run(settings)
    assert_same(result.folder, reference.folder)  # the memory is in the weights' state_dict
    for table in ("val-matrix.csv", "train-prequential.csv"):
        assert (result.folder / "tables" / table).read_text() == (reference.folder / "tables" / table).read_text()


def remembering(replay):
    recipe = {"_target_": "encore.models.linear.Linear", "in_shape": [1], "num_outputs": 2}
    return Streaming(
        shape=[1], replay=replay, net=recipe, optim={}, scheduler={}, augment={}, metrics={}, seed=0, num_outputs=2
    )


def test_the_memory_is_a_uniform_sample_of_all_that_was_read():
    task, counts = remembering(10), torch.zeros(40)
    for seed in range(400):
        torch.manual_seed(seed)
        task.read.zero_()
        for part in torch.arange(40).split(4):
            task.remember(part[:, None].float(), part)
        assert task.memory[:, 0].tolist() == task.labels.tolist()
        assert len(set(task.labels.tolist())) == 10
        counts[task.labels] += 1
    assert counts.mean() == 100
    assert (counts - 100).abs().max() < 4.5 * (400 * 0.25 * 0.75) ** 0.5


def test_accuracy_of_each_task_and_of_all():
    outputs, truth = torch.eye(3)[[0, 1, 2, 2]], torch.tensor([[0, 0], [1, 0], [0, 1], [2, 1]])
    each, whole = TaskAccuracy(2), TaskAccuracy()
    for metric in (each, whole):
        metric.update(outputs, truth)
    assert each.compute().tolist() == [1, 0.5]
    assert whole.compute().item() == 0.75


@pytest.fixture
def go(typed):
    return functools.partial(typed, command.main)


def streamed(folder, method, matrix, prequential=(0.5, 0.7), window=None, seed=0):
    return report.Streamed(folder, {"tasks": 3}, method, window, seed, np.array(matrix), np.array(prequential))


def test_what_was_forgotten_is_the_fall_from_the_best(tmp_path):
    run = streamed(tmp_path, report.ONLINE, [[0.9, 0.1, 0.0], [0.6, 0.8, 0.2], [0.5, 0.8, 0.9]])
    assert report.figures_of(run) == pytest.approx((0.6, 2.2 / 3, (0.4 + 0.0) / 2))


def test_windows_of_a_seed_make_one_matrix_and_one_that_is_missing_makes_none(tmp_path):
    rows = np.array([[0.9, 0.4, 0.1], [0.3, 0.8, 0.5], [0.2, 0.3, 0.7]])
    runs = [streamed(tmp_path, report.WINDOW, rows[[task]], window=task) for task in range(3)]
    assert np.array_equal(report.windows(runs)[0], rows)
    assert report.of_windows(runs)[0] == pytest.approx((0.45, 0.4, (0.7 + 0.5) / 2))
    assert report.windows(runs[:2]) == []
    assert report.of_windows(runs[:2])[0][0] is None


@pytest.mark.slow
def test_the_command_compares_methods_on_one_stream_and_refuses_others(go, run, settings, tmp_path):
    settings |= {"experiment": "stream_classes", "runs_dir": str(tmp_path / "runs")}
    run(settings)
    run({**settings, "data.order": None, "trainer.max_epochs": 1})
    run({**settings, "data.order.window": 1, "trainer.max_epochs": 1})
    early = run({**settings, "trainer.max_epochs": 2, "runs_dir": str(tmp_path / "early")})
    code, said, complained = go(tmp_path / "runs", early.folder, "--out", tmp_path / "out")
    assert code == 0
    assert [line.split("  ")[0] for line in said.splitlines()[3:6]] == [
        "online",
        "retrained on a window",
        "all at once",
    ]
    assert "ended early: 2 of the stream's 5 tasks were read" in complained
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "forgetting.png", "forgetting.svg", "stream.png", "stream.svg", "streams.csv", "streams.md"
    ]  # fmt: skip
    assert go(early.folder, "--out", tmp_path / "none")[0] == 3
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_the_real_stream_of_classes_is_forgotten_without_a_memory(run):
    if not (REAL / "FashionMNIST" / "raw").is_dir():
        pytest.skip(f"needs the real Fashion-MNIST in {REAL.resolve()}: python scripts/fetch_data.py fashion_mnist")
    settings = {"experiment": "stream_classes", "data_dir": str(REAL), "+data.train.examples": 6000}
    assert run(settings).metrics["val/accuracy"] < 0.25
    assert run({**settings, "task.replay": 500}).metrics["val/accuracy"] > 0.6


def test_a_table_without_a_value_is_named(tmp_path):
    file = tmp_path / "val-matrix.csv"
    file.write_text("0.5,nan\n")
    with pytest.raises(InputError, match=r"val-matrix\.csv has no value for some task"):
        report.table(file)
