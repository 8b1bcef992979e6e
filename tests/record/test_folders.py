"""A run's folder that may be a stranger's: what is read of it, written into it, and shown of it."""

import csv
import hashlib
import importlib
import io
import json
import os
import sys
from pathlib import Path

import pytest
import torch

from encore import files
from encore.analysis.results.findings import claimed
from encore.analysis.results.run_table import compared
from encore.analysis.results.runs import below
from encore.analysis.results.table_formats import fenced, literal, plain_cell
from encore.command import end
from encore.config.compose import config_from
from encore.data.offline import downloads_refused
from encore.data.sources import open_source
from encore.errors import InputError, NotHere
from encore.files import read_json, read_whole
from encore.provenance.files_read import check_unchanged
from encore.provenance.files_read import files as files_of
from encore.record import seal
from encore.record.checkpoint_files import best, load, state, weights
from encore.record.lock import held
from encore.record.own_files import KEPT, REMADE, is_own
from encore.record.reading import figure, read_result
from encore.record.record import Record
from encore.record.result import Result
from encore.record.seal import BOUND, FILE, SIGNATURE
from encore.record.signature import signer
from encore.sweep import pruning
from encore.terminal import LONGEST, harmless

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")


@pytest.fixture
def cfg(tmp_path):
    return config_from({"runs_dir": str(tmp_path / "runs")})


def link(file: Path, target: Path | str) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to(target)


def sparse(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(10 * 2**30)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: None, "there is no"),
        (lambda file: file.mkdir(), "no file but a folder"),
        (os.mkfifo, "no file but a pipe"),
        (lambda file: file.symlink_to("/dev/zero"), "is a link"),
        (lambda file: file.symlink_to(file), "is a link"),
        (lambda file: file.symlink_to(__file__), "is a link"),
        (sparse, "more than the 1,000 that it can have"),
    ],
)
def test_only_regular_files_of_bounded_size_are_read(tmp_path, make, said):
    make(tmp_path / "file")
    with pytest.raises(InputError, match=said):
        read_whole(tmp_path / "file", 1000)


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[" * 100_000, "", "{", "9" * 10_000, b"\xff"])
def test_what_is_no_json_is_said(tmp_path, text):
    (tmp_path / "file").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "file")


@pytest.mark.parametrize("value", [None, True, "1", "nan ", [], 10**400, -(10**30)])
def test_what_is_no_number_is_said(value):
    assert figure(value) is not None


def test_numbers_that_are_not_finite_come_back_as_numbers(cfg):
    with Record.open(cfg) as record:
        record.finish(metrics={"train/loss": float("-inf"), "val/loss": 0.5})
    assert read_result(record.folder)["metrics"] == {"train/loss": float("-inf"), "val/loss": 0.5}


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "name", [".lock", "train.log", "result.json", "losses.f32", "metrics.csv", "checkpoints/last.ckpt"]
)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_run_writes_through_no_link_and_into_no_pipe(cfg, tmp_path, name, kind):
    with pytest.raises(RuntimeError), Record.open(cfg) as record:
        raise RuntimeError
    file = record.folder / name
    file.unlink(missing_ok=True)
    (tmp_path / "mine").write_text("mine")
    {"link": lambda: link(file, tmp_path / "mine"), "pipe": lambda: os.mkfifo(file), "folder": file.mkdir}[kind]()
    with pytest.raises(InputError, match=f"{name} is (a link|a pipe|a folder|no file)"), Record.open(cfg):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def written(file: Path, content: object) -> Path:
    """A checkpoint of any content, by somebody who knows how its digest is kept."""
    torch.save(content, file)
    entry = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}
    (file.parent / "digests.json").write_text(json.dumps({file.name: entry}))
    return file


STATE = {
    "state_dict": {"a": torch.zeros(2), "b._extra_state": "anything"}, "best": {}, "epoch": 1, "global_step": 2,
    "loops": {}, "callbacks": {}, "optimizer_states": [], "lr_schedulers": [],
}  # fmt: skip


@pytest.mark.parametrize("read", [load, weights, best, state])
@pytest.mark.parametrize("content", [[1, 2], {1: 2}, torch.zeros(3), "text", None])
def test_what_is_no_checkpoint_is_said(tmp_path, read, content):
    with pytest.raises(InputError, match=r"x\.ckpt is no checkpoint"):
        read(written(tmp_path / "x.ckpt", content))


@pytest.mark.parametrize(
    ("read", "key", "value"),
    [
        (weights, "state_dict", []), (weights, "state_dict", {"a": "text"}), (weights, "state_dict", {1: 2}),
        (best, "best", None), (best, "epoch", "1"), (best, "epoch", -1), (state, "global_step", True),
        (state, "callbacks", {"a": []}), (state, "loops", []), (state, "optimizer_states", {}),
    ],
)  # fmt: skip
def test_every_part_of_a_checkpoint_has_its_type(tmp_path, read, key, value):
    assert read(written(tmp_path / "x.ckpt", STATE))
    with pytest.raises(InputError, match=f"its {key} is of another type"):
        read(written(tmp_path / "x.ckpt", {**STATE, key: value}))
    with pytest.raises(InputError, match=f"it has no {key}"):
        read(written(tmp_path / "x.ckpt", {name: held for name, held in STATE.items() if name != key}))


def test_a_checkpoint_that_is_too_large_is_not_read(tmp_path):
    sparse(written(tmp_path / "x.ckpt", STATE))
    with pytest.raises(InputError, match=r"10,737,418,240 bytes, more than"):
        load(tmp_path / "x.ckpt")


def test_a_run_makes_its_checkpoints_in_its_own_folder(cfg, tmp_path):
    with pytest.raises(RuntimeError), Record.open(cfg) as record:
        raise RuntimeError
    record.checkpoints.rmdir()
    (tmp_path / "elsewhere").mkdir()
    record.checkpoints.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="checkpoints is a link"), Record.open(cfg):
        pass


def test_what_others_have_put_into_a_run_s_folder_stays(cfg):
    with pytest.raises(RuntimeError), Record.open(cfg) as record:
        raise RuntimeError
    users = (".notes.2024", "notes.txt", "checkpoints/mine.ckpt", "checkpoints/.draft.7", "plots/a.png", "tables.txt")
    own = (
        "metrics.csv", "losses.f32", "checkpoints/last.ckpt", "checkpoints/digests.json", "events.out.tfevents.1.0",
        "record.sha256", "record.sha256.sig",
    )  # fmt: skip
    debris = (".result.json.123", "checkpoints/.last.ckpt.123", ".trace.json.7.all")
    for name in (*users, *own, *debris):
        (record.folder / name).parent.mkdir(exist_ok=True)
        (record.folder / name).write_text(name)
    with Record.open(cfg) as again:
        assert not [name for name in debris if (again.folder / name).exists()]
        again.clear()
    assert [name for name in users if (again.folder / name).read_text() != name] == []
    assert [name for name in own if (again.folder / name).exists()] == []


def test_every_file_that_a_seal_binds_is_the_run_s_own():
    own = (*KEPT, *REMADE)
    assert {pattern for pattern in BOUND if pattern not in own} == {"checkpoints/*"}  # a user's saver's, too
    assert all(is_own(name) for name in (FILE, SIGNATURE))


def test_a_seal_and_its_signature_are_files(tmp_path):
    for name, read in ((FILE, seal.read), (SIGNATURE, signer)):
        file = tmp_path / name
        assert read(tmp_path) is None
        for make in (os.mkfifo, lambda file: file.symlink_to("/dev/zero"), lambda file: file.symlink_to(file), sparse):
            make(file)
            with pytest.raises(InputError, match=f"{name} (is|has|cannot be read)"):
                read(tmp_path)
            file.unlink()


def test_a_lock_that_holds_anything_is_a_lock(tmp_path):
    (tmp_path / ".lock").write_bytes(b"\xff\x1b[2J" * 10)
    with held(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_nothing_that_a_record_says_steers_the_terminal():
    assert harmless("\x1b[2J\u202eabc\ud800\tx\r\ny é 한") == "\\x1b[2J\\u202eabc\\ud800\\tx\\r\ny é 한"
    assert len(harmless("a" * 10**6)) == LONGEST + 1


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+x", "'+x"), ("-cmd|x", "'-cmd|x"), (" =1", "' =1"),
        ("＝1", "'＝1"), (Path("=x"), "'=x"), ("-0.5", "-0.5"), ("-1e-05 -0.25", "-1e-05 -0.25"), (-0.5, -0.5),
        ("adam", "adam"), ("1-2", "1-2"), (None, None), ("a\x1bb", "a\\x1bb"),
    ],
)  # fmt: skip
def test_no_cell_of_a_csv_is_a_formula(cell, written):
    assert plain_cell(cell) == written
    text = io.StringIO()
    csv.writer(text).writerow([plain_cell(cell)])
    assert not text.getvalue().lstrip('"').startswith(("=", "+", "@"))


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://a.b/c.png)", "[x](http://a.b)", "<http://a.b>", "http://a.b", "www.a.b", "a@b.c", "<img src=x>",
        "[x]: http://a.b", "WWW.a.b", "https://a.b",
    ],
)  # fmt: skip
def test_no_link_or_picture_comes_alive_in_markdown(text):
    shown = literal(text)
    for alive in ("](", "![", "<", "://", "www.", "@"):
        places = [place for place in range(len(shown)) if shown.lower().startswith(alive, place)]
        assert all(shown[place - 1 : place] == "\\" or (alive == "](" and shown[place - 1] == "\\") for place in places)
    assert shown.replace("\\", "") == text


def test_no_command_ends_its_block_of_markdown():
    block = fenced(["encore reproduce 'a\n```\n# heading'"])
    first, *lines, last = block.splitlines()
    assert len(lines) == 1
    assert first == f"{last}bash"
    assert last == "````"


def test_settings_are_shown_in_one_line_without_control_characters():
    assert compared({"a\x1b": "\x1b[2J", "b": "x", "c": "\u202e"}) == {
        '"a\\u001b"': '"\\u001b[2J"', "b": "x", "c": '"\\u202e"'
    }  # fmt: skip


def test_a_recorded_config_reads_only_what_the_run_read(cfg, tmp_path):
    own, foreign = tmp_path / "own", tmp_path / "foreign.npz"
    own.mkdir()
    for file in (own / "a.png", foreign):
        file.write_text("x")
    recorded = {"train.root/a.png": {"sha256": files.sha256(own / "a.png")}}
    data = {**cfg["data"], "train": {**cfg["data"]["train"], "root": str(own)}}
    check_unchanged(recorded, {**cfg, "data": data})
    assert set(recorded) <= set(files_of({**cfg, "data": data}))
    for change in (
        {"data": {**data, "path": str(foreign)}},
        {"data": {**data, "train": {**data["train"], "root": "/"}}},
        {"data": data, "files": [str(foreign)]},
        {"data": data, "model": {**cfg["model"], "weights": str(foreign)}},
    ):
        with pytest.raises(InputError, match="the run did not read"):
            check_unchanged(recorded, {**cfg, **change})


def test_a_recorded_dataset_is_not_downloaded_even_if_its_recipe_says_so(cfg, tmp_path):
    recipe = {"_target_": "torchvision.datasets.MNIST", "root": str(tmp_path / "there"), "download": True}
    with downloads_refused(), pytest.raises(NotHere, match="encore fetch_data"):
        open_source(recipe, {**cfg["data"], "name": "mnist"}, tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_loop_of_links_is_no_run(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert below([loop]) == ([loop], [])


@pytest.mark.parametrize(
    "words", [("runs", "/nonexistent"), ("evaluate", "loop"), ("report", "loop"), ("curves", "loop")]
)
def test_a_place_without_a_run_ends_with_3(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setattr(sys, "argv", [f"encore {words[0]}", *words[1:]])
    with pytest.raises(SystemExit) as ended:
        end(importlib.import_module(f"encore.commands.{words[0]}").main)
    assert ended.value.code == InputError.code
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"1": "x"}', '{"x": 1.0}', '{"-1": 1.0}', '{"1": [0]}', '{"1": NaN}', "{" * 9]
)
def test_a_damaged_pruning_json_takes_nothing_of_a_trial(tmp_path, content):
    (tmp_path / "metrics.csv").write_text("epoch,step,val/loss\n0,3,0.5\n1,7,0.25\n")
    (tmp_path / pruning.VALUES).write_text(content)
    assert pruning.values(tmp_path, "val/loss") == {"1": 0.5, "2": 0.25}
    (tmp_path / pruning.VALUES).write_text('{"1": 0.5, "2": "nan"}')
    assert pruning.values(tmp_path, "val/loss") == {"1": 0.5, "2": "nan"}


def test_what_ends_without_findings_leaves_no_folder(tmp_path):
    with pytest.raises(InputError), claimed(tmp_path / "out", "cross_validation", "mark"):
        raise InputError("99999 folds of 1,437 examples")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(InputError), claimed(tmp_path / "out", "cross_validation", "mark"):
        raise InputError
    assert json.loads((tmp_path / "out" / "cross_validation.json").read_text()) == {"fingerprint": "mark"}


def test_a_picture_is_whole_or_the_one_before(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    from encore.analysis.results.figure_files import save

    file = tmp_path / "curves.png"
    file.write_text("before")
    monkeypatch.setattr(files.os, "fsync", lambda opened: (_ for _ in ()).throw(OSError("killed")))
    with pytest.raises(OSError, match="killed"):
        save(Figure(), file)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("curves.png", "before")]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name, what in (("pipe", "a pipe"), ("link", "a pipe"), (".", "a folder")):
        with pytest.raises(files.NotWritten, match=f"it is {what}, and a file is to be written"):
            files.replace(tmp_path / name, b"content")
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}
    assert (tmp_path / "pipe").is_fifo()


def test_a_run_s_folder_that_is_closed_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "result.json").write_text("{}")

    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_dir", lambda _: True)
        for name in ("open", "stat", "lstat"):
            patch.setattr(os, name, closed)
        with pytest.raises(InputError, match=r"result.json cannot be read: \[Errno 13\] Permission denied"):
            Result.read(tmp_path)
