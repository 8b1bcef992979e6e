"""The check of a GPU says what it found, what failed, and what was not measured; nothing is timed here."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import gpu_check
import pytest
from benchmarks.datasets import Place
from gpu import parts
from gpu.rows import FAILED, LONGEST, NOT_MEASURED, Row, read, summary, write
from processes import PIPE, start

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
    assert second.note in second.line()
    assert summary([first, second]) == "1 ok, 1 FAILED, 0 not measured"


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
    assert (late.what, late.status, late.note) == ("all of it", NOT_MEASURED, gpu_check.OVER)
    [never] = gpu_check.alone("device", 0)
    assert never.status == NOT_MEASURED


def test_without_a_gpu_it_says_so(tmp_path):
    if cuda_devices():
        pytest.skip("this machine has a GPU")
    place = Place(tmp_path, "cpu")
    for part in (parts.device, parts.memory):
        assert list(part(place))[-1].note == "no CUDA device"


def test_tests_that_fail_are_named(monkeypatch, tmp_path):
    file = tmp_path / "tests" / "gpu" / "test_it.py"
    file.parent.mkdir(parents=True)
    file.write_text("import pytest\n@pytest.mark.gpu\ndef test_bits():\n    assert 1 == 2\n")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["gpu: needs a GPU"]\n')
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    [row] = parts.tests(Place(tmp_path, "cpu"))
    assert row.status == FAILED
    assert "FAILED tests/gpu/test_it.py::test_bits" in row.note


def test_killed_it_ends_its_part_and_keeps_the_rows(tmp_path):
    """The part is one that waits; the one before it is through."""
    file, numbers = tmp_path / "rows.json", tmp_path / "numbers"
    program = f"""
import os, sys, tempfile, time
sys.path.insert(0, {str(Path(gpu_check.__file__).parent)!r})
import gpu_check
from gpu.rows import Row
from pathlib import Path

def waits(place):
    Path({str(numbers)!r}).write_text(f"{{os.getpid()}} {{tempfile.gettempdir()}}")
    time.sleep(60)
    yield Row("tax", "never")

gpu_check.PARTS["tax"] = waits
gpu_check.__file__ = __file__
gpu_check.end(gpu_check.main)
"""
    script = tmp_path / "script.py"
    script.write_text(program)
    process = start(script, "--only", "device", "tax", "--json", file, stdout=PIPE, stderr=PIPE, fresh=True)
    deadline = time.monotonic() + 60
    while not (numbers.exists() and numbers.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    number, folder = numbers.read_text().split(" ", 1)
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (143, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)
    assert not Path(folder).exists()
    assert [row.part for row in read(file)][:1] == ["device"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--json", "{folder}/missing/rows.json"], 74, "missing/rows.json"),
        (["--json", "{folder}"], 74, "it is a folder"),
        (["--minutes", "0"], 1, "must be a number above 0, not 0"),
        (["--minutes", "nan"], 1, "must be a number above 0, not nan"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_tried(typed, monkeypatch, tmp_path, words, code, said):
    monkeypatch.setattr(gpu_check, "alone", lambda name, seconds: pytest.fail("tried"))
    found, _, complaint = typed(gpu_check.main, *(word.format(folder=tmp_path) for word in words))
    assert found == code
    assert said in complaint


def test_no_room_for_temporary_files_is_said(typed, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gpu_check.tempfile, "mkdtemp", full)
    code, _, complaint = typed(gpu_check.main, "--only", "device", "--json", tmp_path / "rows.json")
    assert code == 74
    assert f"No space left on device: '{gpu_check.tempfile.gettempdir()}'" in complaint


@pytest.mark.slow
def test_every_part_is_tried_without_a_gpu(command, tmp_path):
    answer = command("scripts/gpu_check.py", "--json", str(tmp_path / "x.json"), "--minutes", "30", fresh=True)
    rows = read(tmp_path / "x.json")
    assert answer.returncode == 0, answer.stdout
    assert list(dict.fromkeys(row.part for row in rows)) == list(parts.PARTS)  # so that --only knows them
    assert FAILED not in {row.status for row in rows}
    assert {row.note for row in rows if row.status == NOT_MEASURED} <= ({parts.NO_GPU} if not cuda_devices() else set())


def test_a_part_that_there_is_not_is_answered_with_those_there_are(typed):
    code, _, complaint = typed(gpu_check.main, "--only", "nothing")
    assert code == 1
    assert "there is no part nothing; choose from device, tests, " in complaint


def test_doctor_runs_it(typed, monkeypatch, tmp_path):
    from encore.commands import doctor

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gpu_check, "alone", lambda name, seconds: [Row(name, "what", FAILED)])
    monkeypatch.setitem(sys.modules, "gpu_check", gpu_check)
    code, said, _ = typed(doctor.main, "--gpu")
    assert (code, said.splitlines()[-1]) == (1, "gpu_check.json")
    assert "0 ok, 10 FAILED" in said
    assert "--gpu takes no CHECK: leave out disk" in typed(doctor.main, "--gpu", "disk")[2]


def test_a_line_has_its_figure_and_not_all_of_a_long_note():
    assert "104,035 " not in Row("a", "b", value=104035.2).line()
    assert Row("a", "b", value=104035.2).figure == "104,035"
    assert Row("a", "b", value=1.0834, unit="×").figure == "1.08 ×"
    assert len(Row("a", "b", note="x" * 5000).line()) < LONGEST + 120


def test_rows_are_written_and_read(tmp_path):
    rows = [Row("a", "b", value=1.5, unit="×"), Row("a", "c", NOT_MEASURED, note="no CUDA device")]
    write(rows, {"os": "here"}, tmp_path / "rows.json")
    assert read(tmp_path / "rows.json") == rows
