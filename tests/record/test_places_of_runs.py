"""Where a run lies: one folder for one fingerprint, whatever that is named after."""

import shutil

import pytest

from encore.config import named_runs
from encore.config.named_runs import a_run
from encore.errors import InputError

SHORT = {"trainer.max_epochs": 1, "callbacks": "default", "logger": "csv"}


@pytest.fixture
def finished(run):
    return run(SHORT)


@pytest.mark.parametrize("name", ["", "what-it-was-called-then"])
def test_a_finished_run_is_found_whatever_settings_it_was_named_after(run, finished, tmp_path, name):
    kind = tmp_path / "runs" / "digits-mlp-adam"
    assert finished.folder.parent == kind / "e1"
    there = kind / name / finished.folder.name
    there.parent.mkdir(exist_ok=True)
    finished.folder.rename(there)
    assert run(SHORT).folder == there
    longer = run({**SHORT, "trainer.max_epochs": 2})
    assert longer.folder.parent == kind / "e2"
    assert "where a shorter run ended" in (longer.folder / "train.log").read_text()
    fresh = run({**SHORT, "fresh": True}).folder
    assert (fresh.parent, fresh.name) == (there.parent, f"{there.name}-2")


def test_of_two_folders_the_finished_one_counts(run, finished, tmp_path):
    other = tmp_path / "runs" / "digits-mlp-adam" / "aside" / finished.folder.name
    shutil.copytree(finished.folder, other)
    for name in ("result.json", "record.sha256"):
        (finished.folder / name).unlink()
    (finished.folder / "result.json").write_text((other / "result.json").read_text().replace("finished", "failed"))
    assert run(SHORT).folder == other


def test_a_run_that_cannot_begin_leaves_no_folder(run, tmp_path):
    with pytest.raises(InputError):
        run({"data": "npz", "data.path": str(tmp_path / "none.npz"), "data.num_classes": 2, "data.shape": [3]})
    assert not list((tmp_path / "runs").glob("*"))


FOLDERS = (
    "digits-mlp-adam/seed0-3f2a9c11d0", "digits-mlp-adam/lr0.003-w64/seed0-3f77777777",
    "digits-mlp-adam/lr0.003-w64/seed1-ab12345678", "digits-mlp-adam/lr0.003-w64/seed1-ab12345678-2",
    ".bin/digits-mlp-adam/seed0-cc12345678",
)  # fmt: skip


@pytest.fixture
def several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_RUNS_DIR", "runs")
    for name in FOLDERS:
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "result.json").touch()
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("3f2", 0), ("seed0-3f7", 1), ("digits-mlp-adam/seed", 0), ("ab12345678", 2), ("seed1-ab12345678-2", 3),
        ("runs/digits-mlp-adam/seed0-3f2a9c11d0", 0), ("digits-mlp-adam/lr0.003-w64/seed0-3f77777777", 1),
        ("lr0.003-w64/seed0", 1),
    ],
)  # fmt: skip
def test_how_a_name_or_fingerprint_begins_is_enough(several, word, place):
    assert (several.parent / a_run(word)).samefile(several / FOLDERS[place])


def test_a_word_that_begins_several_lists_them_and_one_that_begins_none_stays(several):
    with pytest.raises(InputError, match=r"3f is the beginning of 2 runs: name one\n  runs/.*3f77777777\n  runs/"):
        a_run("3f")
    assert str(a_run("cc123")) == "cc123"  # which is in the bin
    (several.parent / "3f").mkdir()
    assert str(a_run("3f")) == "3f"  # a path that exists


def test_runs_are_where_the_environment_says(monkeypatch):
    monkeypatch.delenv("ENCORE_RUNS_DIR", raising=False)
    assert str(named_runs.runs_dir()) == "runs"
