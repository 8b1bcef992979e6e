"""`encore compare`: what differs between runs, and between what alone."""

import json
import shutil

import pytest

import encore
from encore.analysis.results.comparison import compare
from encore.commands import compare as command

SETTINGS = {"trainer.max_epochs": 1, "threads": 1, "trainer.accelerator": "cpu", "logger": "csv"}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run, and one with another learning rate."""
    place = str(tmp_path_factory.mktemp("compared"))
    return [encore.run({**SETTINGS, "runs_dir": place, **more}).folder for more in ({}, {"optim.lr": 0.01})]


def edited(folder, there, edit):
    """A copy whose manifest says something else, as if it had been recorded before runs were sealed."""
    shutil.copytree(folder, there)
    (there / "record.sha256").unlink()
    held = json.loads((there / "manifest.json").read_text())
    del held["seal"]
    edit(held)
    (there / "manifest.json").write_text(json.dumps(held))
    return there


def test_it_says_what_differs_and_what_does_not(two, typed, tmp_path):
    code, out, err = typed(command.main, *two, "--out", tmp_path / "curves.png")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["optim.lr", "0.001", "0.01"] in lines
    assert [line[0] for line in lines if line and line[0] == "test/accuracy"]
    assert "the same: code, packages, machine, data" in out
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_as_json_it_has_the_values_themselves(two, typed):
    _, out, _ = typed(command.main, *two, "--json")
    held = json.loads(out)
    assert (held["same"], held["settings"], held["code"]) == (False, {"optim.lr": [0.001, 0.01]}, {})


def test_of_one_run_and_itself_nothing_differs(two, typed):
    code, out, _ = typed(command.main, two[0], two[0])
    assert code == 0
    assert "nothing differs: results, settings, code, packages, machine, data are the same" in out


def test_code_is_compared_by_its_text_packages_and_machine_by_what_they_were(two, tmp_path):
    def edit(held):
        held["code"] |= {"commit": None, "files": {"src/mine/net.py": "width = 64\n"}, "outside": {}}
        held["code"]["digests"]["mine.net"] = "0" * 64
        held["environment"]["packages"]["torch"] = "1.0"
        held["environment"]["cpu"]["cores"] = 7
        held["data"]["examples_sha256"] = "1" * 64
        del held["config"]["callbacks"]["gap"]  # as before there were views

    def otherwise(held):
        edit(held)
        held["code"]["files"] = {"src/mine/net.py": "width = 128\n"}
        held["code"]["digests"]["mine.net"] = "2" * 64

    one, other = edited(two[0], tmp_path / "one", edit), edited(two[0], tmp_path / "other", otherwise)
    found = compare([one, other])
    assert found.diff.splitlines()[-2:] == ["-width = 64", "+width = 128"]
    assert list(found.sections["code"]) == ["mine.net"]
    found = compare([two[0], one])
    assert found.sections["packages"]["torch"][1] == "1.0"
    assert found.sections["machine"]["cpu.cores"][1] == 7
    assert list(found.sections["data"]) == ["examples_sha256"]
    assert "mine.net" in found.sections["code"]
    assert found.sections["settings"] == {}


def test_where_no_picture_can_be_written_it_is_said(two, typed, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, _, err = typed(command.main, *two, "--out", tmp_path / "file" / "x.png")
    assert (code, (tmp_path / "file").read_text()) == (74, "mine")
    assert f"a file is there, and a folder is needed: '{tmp_path / 'file'}'" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere", "neither"], 3, "there is no run folder nowhere"),
        (["."], 3, "name two runs or more"),
        ([".", ".", "--out", "x.gif"], 1, "must end in .png, .svg or .pdf"),
        ([".", ".", "--metrics", "loss"], 1, "--metrics says what --out draws"),
    ],
)
def test_a_mistake_is_answered(typed, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    answer = typed(command.main, *words)
    assert answer[0] == code
    assert said in answer[2]


def test_runs_are_a_frame_in_python(two):
    frame = encore.runs(["optim.lr>=0.01", "status=finished"], two[0].parents[2])
    assert list(frame["folder"]) == [str(two[1])]
    assert list(frame["model.widths"]) == [[128]]
    assert 0 < frame["test/accuracy"].item() < 1
    assert len(encore.runs("seed=0", two[0].parents[2])) == 2
    assert encore.runs("seed=7", two[0].parents[2]).empty
