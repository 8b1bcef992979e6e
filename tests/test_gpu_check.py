"""The check of a GPU says what it found, what failed, and what was not measured; nothing is timed here."""

import json

import gpu_check
import pytest
from benchmarks.datasets import Place
from conftest import ROOT
from gpu import parts
from gpu.rows import FAILED, NOT_MEASURED, Row, read, table, write

from encore.config.accelerator import cuda_devices


def test_a_part_that_fails_is_a_row_and_those_before_it_stay(monkeypatch, tmp_path):
    def part(place):
        yield Row("part", "first", value=2.0, unit="s")
        raise RuntimeError("CUDA error:\nan illegal memory access")

    monkeypatch.setitem(gpu_check.PARTS, "device", part)
    assert gpu_check.one("device", tmp_path / "rows.json") == 0
    first, second = read(tmp_path / "rows.json")
    assert (first.status, first.value) == ("ok", 2.0)
    assert (second.status, second.note) == (FAILED, "RuntimeError: CUDA error: an illegal memory access")
    assert second.note in table([first, second])


@pytest.mark.parametrize(("status", "code"), [("ok", 0), (NOT_MEASURED, 0), (FAILED, 1)])
def test_the_exit_code_says_whether_anything_failed(monkeypatch, tmp_path, status, code):
    monkeypatch.setattr(gpu_check, "alone", lambda name, seconds: [Row(name, "what", status)])
    monkeypatch.setattr("sys.argv", ["gpu_check.py", "--only", "device", "tax", "--json", str(tmp_path / "x.json")])
    assert gpu_check.main() == code
    written = json.loads((tmp_path / "x.json").read_text())
    assert [row["status"] for row in written["rows"]] == [status, status]
    assert written["machine"]["packages"]["torch"]


def test_a_part_that_dies_or_takes_too_long_is_told(monkeypatch, tmp_path):
    script = tmp_path / "script.py"
    monkeypatch.setattr(gpu_check, "__file__", str(script))
    script.write_text("import sys; sys.exit('killed by a signal')")
    [died] = gpu_check.alone("device", 60)
    assert (died.status, died.note) == (FAILED, "killed by a signal")
    script.write_text("import time; time.sleep(60)")
    [late] = gpu_check.alone("device", 0.5)
    assert (late.status, late.note) == (NOT_MEASURED, gpu_check.OVER)
    [never] = gpu_check.alone("device", 0)
    assert never.status == NOT_MEASURED


def test_without_a_gpu_it_says_so(tmp_path):
    if cuda_devices():
        pytest.skip("this machine has a GPU")
    place = Place(tmp_path, "cpu")
    for part in (parts.device, parts.memory):
        assert list(part(place))[-1].note == "no CUDA device"
    rows = list(parts.population(place)) if not parts.places.find("hydra/launcher/population") else []
    assert all("not available" in row.note for row in rows)


@pytest.mark.slow
def test_every_part_is_tried_without_a_gpu(command, tmp_path):
    answer = command("scripts/gpu_check.py", "--json", str(tmp_path / "x.json"), "--minutes", "30", fresh=True)
    rows = read(tmp_path / "x.json")
    assert answer.returncode == 0, answer.stdout
    assert {row.part.replace(" ", "_") for row in rows} >= {
        "device",
        "tests",
        "two_at_once",
        "memory",
        "tax",
        "settings",
    }
    assert FAILED not in {row.status for row in rows}


def test_a_part_that_there_is_not_is_answered_with_those_there_are(command):
    answer = command("scripts/gpu_check.py", "--only", "nothing")
    assert answer.returncode == 1
    assert "there is no part nothing; choose from device, tests, " in answer.stderr


def test_doctor_runs_it(monkeypatch):
    from encore.commands import doctor

    asked = []
    monkeypatch.setattr(
        doctor.subprocess, "run", lambda words, check: asked.append(words) or type("", (), {"returncode": 1})
    )
    monkeypatch.setattr("sys.argv", ["doctor", "--gpu"])
    assert doctor.main() == 1
    assert asked[0][1] == str(ROOT / "scripts" / "gpu_check.py")


def test_rows_are_written_and_read(tmp_path):
    rows = [Row("a", "b", value=1.5, unit="×"), Row("a", "c", NOT_MEASURED, note="no CUDA device")]
    write(rows, {"os": "here"}, tmp_path / "rows.json")
    assert read(tmp_path / "rows.json") == rows
