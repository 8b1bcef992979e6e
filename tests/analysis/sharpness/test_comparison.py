"""What is said of minima, and what the command writes and refuses."""

import csv
import json

import numpy as np
import pytest

from encore.analysis.results.finished import finished
from encore.analysis.sharpness.comparison import sharpness
from encore.analysis.sharpness.minimum import Effort
from encore.errors import ConfigError, InputError
from encore.record import seal

SHORT = {"trainer.max_epochs": 2, "data.fraction": 0.1, "data.val_fraction": 0.0, "logger": "none"}
EFFORT = Effort(tolerance=1e-2, products=200, batch=256)


def sweep(run, sizes, seeds):
    return [run({**SHORT, "data.batch_size": size, "seed": seed}) for size in sizes for seed in range(seeds)]


@pytest.mark.slow
def test_groups_come_in_the_order_of_their_numbers_with_means_over_seeds(run, tmp_path):
    sweep(run, ["all", 64, 8], 2)
    table, left_out = finished([tmp_path / "runs"], least=1)
    found = sharpness(table, left_out, None, EFFORT)
    assert [row[:2] for row in found.rows] == [["data.batch_size", "n"], ["8", "2"], ["64", "2"], ["all", "2"]]
    heading, *rows = found.values
    of_8 = [row[heading.index("largest eigenvalue")] for row in rows if row[1] == "8"]
    mean, _, std = found.rows[1][2].split()
    assert float(mean) == pytest.approx(np.mean(of_8), rel=1e-3)
    assert float(std) == pytest.approx(np.std(of_8, ddof=1), rel=1e-3)
    assert [row[0] for row in found.compared[1:]] == ["64 − 8", "all − 8", "all − 64"]
    assert found.arrays["train"].shape == (6, len(found.arrays["steps"]))
    with pytest.raises(ConfigError, match=r"data\.batch_siz is not a setting"):
        sharpness(table, left_out, ["data.batch_siz"], EFFORT)


def test_what_has_not_converged_is_said(run, tmp_path):
    folder = sweep(run, [64], 1)[0].folder
    found = sharpness(*finished([tmp_path / "runs"], least=1), None, Effort(tolerance=1e-9, products=3, batch=256))
    assert f"Not converged, and at least what is shown: {folder} (residual " in found.notes[2]
    assert found.compared == []


def test_runs_that_have_not_finished_are_left_out_and_alone_refused(run, tmp_path):
    (result,) = sweep(run, [64], 1)
    file = result.folder / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": "diverged", "error": "the loss is nan"}))
    seal.write(result.folder)
    with pytest.raises(InputError, match="too few: 0 finished runs, but at least 1 needed"):
        finished([tmp_path / "runs"], least=1)
    sweep(run, [8], 1)
    _, left_out = finished([tmp_path / "runs"], least=1)
    assert left_out == [f"{result.folder} is diverged: the loss is nan"]


@pytest.mark.slow
def test_the_command_writes_the_same_files_again(run, command, tmp_path):
    results = sweep(run, [8, 64], 2)
    for out in ("out", "again"):
        done = command("scripts/sharpness.py", "runs", "--out", out, "--tolerance", "0.01")
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "again/sharpness.md"
    names = {"sharpness.md", "sharpness.csv", "sharpness.npz"}
    names |= {f"{name}.{kind}" for name in ("sharpness", "direction") for kind in ("png", "svg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    with (tmp_path / "out" / "sharpness.csv").open() as stream:
        rows = {row["run"]: row for row in csv.DictReader(stream)}
    for result in results:
        row = rows[str(result.folder.relative_to(tmp_path))]
        assert float(row["test loss"]) == pytest.approx(result.metrics["test/loss"], rel=1e-5)
        assert row["converged"] == "True"
    wrong = command("scripts/sharpness.py", "runs", "--by", "model.nam")
    assert wrong.returncode == 1
    assert "did you mean model.name?" in wrong.stderr
