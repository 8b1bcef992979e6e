"""Nets that cost less: what they are made of, how they learn, and what is measured of them."""

import csv
import shutil

import pytest
import torch
import torch.nn.functional as F
from endings import asked_to_stop, assert_same
from torch import nn

import encore
from course.efficient.measure import one_unchecked_thread
from course.efficient.quantization import dynamic, static
from course.efficient.strided import Strided
from course.efficient.table import front
from encore.errors import ConfigError, InputError, Preempted
from encore.provenance.files_read import check_unchanged
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import weights
from encore.record.reading import read_manifest
from encore.record.result import Result
from encore.tasks.distillation import Distillation

NET = {"model": "strided", "model.channels": [4, 8], "model.hidden": 16}
SMALL = {**NET, "data": "digits", "data.fraction": 0.2, "trainer.max_epochs": 1, "trainer.log_every_n_steps": 2}
TEACHER = {
    "task": "distillation", "model@task.teacher.net": "strided_large",
    "task.teacher.net.channels": [4, 8], "task.teacher.net.hidden": 16,
    "model.hidden": 0, "model.head": "pooled", "model.separable": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    words = {"runs_dir": str(tmp_path_factory.mktemp("large")), "threads": 1, "trainer.accelerator": "cpu"}
    return encore.run({**SMALL, **words, "trainer.max_epochs": 3, "optim.lr": 0.01}).folder


@pytest.fixture
def large(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "large" / finished.name)


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, 9 * 4 + 8 + 9 * 4 * 8 + 16 + 7 * 7 * 8 * 10 + 10),
        ({"hidden": 16}, 9 * 4 + 8 + 9 * 4 * 8 + 16 + 7 * 7 * 8 * 16 + 16 + 170),
        ({"head": "pooled"}, 9 * 4 + 8 + 9 * 4 * 8 + 16 + 90),
        ({"head": "pooled", "separable": True}, 9 * 4 + 8 + 9 * 4 + 8 + 4 * 8 + 16 + 90),
    ],
    ids=["one layer", "hidden", "pooled", "separable"],
)
def test_a_net_has_the_weights_that_its_parts_say(settings, parameters):
    net = Strided((1, 28, 28), 10, (4, 8), **settings)
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert sum(each.numel() for each in net.parameters()) == parameters


def test_the_loss_is_that_of_the_paper():
    task = Distillation.__new__(Distillation)
    nn.Module.__init__(task)
    task.temperature, task.share, task.label_smoothing = 2.0, 0.7, 0.0
    task.class_weight, task.focal_gamma = None, 0.0
    outputs, taught, right = torch.randn(5, 3), torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    p, q = (taught / 2).softmax(1), (outputs / 2).softmax(1)
    expected = 0.7 * 4 * (p * (p / q).log()).sum(1).mean() + 0.3 * F.cross_entropy(outputs, right)
    assert task.training_loss(outputs, (right, taught)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_student_learns_from_its_teacher_and_does_not_keep_it(run, large):
    file = str(large / "checkpoints" / "best.ckpt")
    plain = run({**SMALL, **{key: value for key, value in TEACHER.items() if "task" not in key}})
    without = run({**SMALL, **TEACHER, "task.teacher.file": file, "task.share": 0.0})
    taught = run({**SMALL, **TEACHER, "task.teacher.file": file})
    assert without.losses_sha256 == plain.losses_sha256  # a teacher that counts for nothing
    assert taught.losses_sha256 != plain.losses_sha256
    held = weights(taught.folder / "checkpoints" / "last.ckpt")
    assert held.keys() == weights(plain.folder / "checkpoints" / "last.ckpt").keys()
    (large / "checkpoints" / "best.ckpt").unlink()
    assert len(encore.load(taught.folder).predict(torch.zeros(2, 1, 8, 8))) == 2
    files, cfg = read_manifest(taught.folder)["data"]["files"], recorded_config(taught.folder)
    with pytest.raises(
        InputError, match=r"task.teacher.file=\S+/best.ckpt is missing, which the run read: put it back"
    ):
        check_unchanged(files, cfg)


def test_a_student_is_stopped_and_resumed_to_the_same_bits(run, large, tmp_path, monkeypatch):
    settings = {
        **SMALL,
        **TEACHER,
        "task.teacher.file": str(large / "checkpoints" / "best.ckpt"),
        "trainer.max_epochs": 2,
    }
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 2), pytest.raises(Preempted):
        run(settings)
    assert_same(run(settings).folder, reference.folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "teacher.file must name the teacher's weights"),
        ({"task.teacher.file": "nothing.ckpt"}, "task.teacher.file=nothing.ckpt is no file"),
        ({"task.temperature": 0}, "temperature must be above 0"),
        ({"task.share": 2}, "share must be from 0 to 1"),
    ],
)
def test_a_teacher_that_cannot_be_is_refused(run, tmp_path, settings, said):
    with pytest.raises(InputError if "task.teacher.file" in settings else ConfigError, match=said):
        run({**SMALL, **TEACHER, **settings})
    assert not list(tmp_path.rglob("result.json"))


def test_a_teacher_of_other_classes_is_refused(run, tmp_path):
    net = nn.Linear(64, 7)
    torch.save({f"layers.0.{name}": value for name, value in net.state_dict().items()}, tmp_path / "seven.pt")
    teacher = {
        "task": "distillation", "model@task.teacher.net": "mlp", "task.teacher.net.widths": [],
        "task.teacher.net.num_outputs": 7, "task.teacher.file": str(tmp_path / "seven.pt"), "model": "softmax",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="gives 7 outputs and the model 10"):
        run({"trainer.max_epochs": 1, **teacher})


PRUNED = {"+callbacks.pruning._target_": "course.efficient.pruning.Magnitude", "+callbacks.pruning.share": 0.8}


def test_the_smallest_weights_are_gone_and_stay_so_wherever_the_run_is_stopped(run, large, tmp_path, monkeypatch):
    settings = {**SMALL, **PRUNED, "init_from": str(large), "trainer.max_epochs": 2}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    before = weights(large / "checkpoints" / "best.ckpt")
    after = weights(reference.folder / "checkpoints" / "last.ckpt")
    sizes = torch.cat([value.abs().flatten() for value in before.values() if value.ndim > 1])
    least = sizes.sort().values[round(0.8 * len(sizes)) - 1]
    for name, value in after.items():
        if value.ndim > 1:
            assert torch.equal(value == 0, before[name].abs() <= least)
    with asked_to_stop(monkeypatch, 2):
        with pytest.raises(Preempted):
            run(settings)
        assert_same(run(settings).folder, reference.folder)


def test_int8_nets_give_nearly_the_same_outputs():
    torch.manual_seed(0)
    net, inputs = Strided((1, 8, 8), 10, (4, 8), hidden=16).eval(), torch.randn(64, 1, 8, 8)
    spread = net(inputs).std()
    with one_unchecked_thread():
        for made in (dynamic(net), static(net, inputs)):
            assert made is not net
            assert 0 < (made(inputs) - net(inputs)).abs().max() < 0.2 * spread
    assert dynamic(Strided((1, 8, 8), 10, (4, 8), head="pooled")) is None


def test_the_front_holds_what_no_cheaper_net_reaches():
    assert front([(3, 0.9), (1, 0.8), (2, 0.7), (4, 0.9), (1, 0.75)]) == [(1, 0.8), (3, 0.9)]


@pytest.mark.slow
def test_runs_are_measured_as_they_are_and_in_int8(command, large, run):
    tables = run({"experiment": "thermometer", "trainer.max_epochs": 1}).folder
    answer = command("scripts/efficiency.py", str(large), str(tables), "--out", "out/e.png")
    assert answer.returncode == 0, answer.stderr
    assert "learns no classes" in answer.stderr
    out = next(large.parents[1].rglob("e.csv"))
    assert out.with_suffix(".png").stat().st_size > 1000
    with out.open() as stream:
        rows = {row["net"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["strided", "strided · int8 dynamic", "strided · int8 static"]
    plain = rows["strided"]
    assert float(plain["test accuracy"]) == pytest.approx(Result.read(large).metrics["test/accuracy"], abs=1e-4)
    assert int(plain["multiply-adds"]) == 4 * 4 * 4 * 9 + 2 * 2 * 8 * 4 * 9 + 2 * 2 * 8 * 16 + 160


def test_a_command_without_runs_says_so(command, tmp_path):
    (tmp_path / "empty").mkdir()
    for script in ("efficiency", "transfer"):
        answer = command(f"scripts/{script}.py", "empty")
        assert (answer.returncode, "too few: 0 finished runs" in answer.stderr) == (3, True)
