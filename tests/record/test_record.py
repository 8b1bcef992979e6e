import csv
import errno
import hashlib
import json

import pytest
import torch

from encore import files
from encore.analysis.results.runs import results
from encore.config.compose import config_from
from encore.errors import Busy, CannotWrite, ConfigError, Diverged, InputError
from encore.files import digest
from encore.loggers.metrics_csv import MetricsCSV
from encore.provenance import fingerprint
from encore.provenance.closure import closure
from encore.record.checkpoint_files import load, save
from encore.record.record import Record
from encore.record.result import Result
from encore.runner.execute import result_of


@pytest.fixture
def cfg(tmp_path):
    return config_from({"runs_dir": str(tmp_path / "runs")})


def status(folder):
    return json.loads((folder / "result.json").read_text())["status"]


def test_a_second_process_is_told_who_holds_the_run(cfg):
    import os

    with Record.open(cfg), pytest.raises(Busy, match=str(os.getpid())), Record.open(cfg):
        pass


def test_a_run_that_never_began_leaves_nothing(cfg, tmp_path):
    with pytest.raises(InputError), Record.open(cfg):
        raise InputError("no data")
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("problem", "expected"),
    [(Diverged("nan"), "diverged"), (RuntimeError("bug"), "failed"), (KeyboardInterrupt(), "preempted")],
)
def test_how_a_run_ended_is_recorded(cfg, problem, expected):
    with Record.open({**cfg, "fresh": True}) as record:
        assert status(record.folder) == "running"
    with pytest.raises(type(problem)), Record.open(cfg):
        raise problem
    assert status(record.folder) == expected


def test_a_full_disk_is_no_bug(cfg):
    with pytest.raises(CannotWrite, match="No space left"), Record.open(cfg):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_fresh_makes_a_folder_beside(cfg):
    names = []
    for fresh in (False, True, True):
        with Record.open({**cfg, "fresh": fresh}) as record:
            record.finish()
            names.append(record.folder.name)
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]


def test_a_failed_run_is_tried_again_and_a_bad_setting_does_not_remove_it(cfg):
    with pytest.raises(RuntimeError), Record.open(cfg):
        raise RuntimeError
    with pytest.raises(ConfigError), Record.open(cfg) as record:
        raise ConfigError("bad")
    assert status(record.folder) == "failed"


def test_numbers_that_are_not_finite_are_still_json(cfg):
    with Record.open(cfg) as record:
        record.finish(metrics={"train/loss": float("nan")})
    assert json.loads((record.folder / "result.json").read_text())["metrics"] == {"train/loss": "nan"}
    assert Result.read(record.folder).status == "finished"


def test_results_that_cannot_be_read_are_named_and_left_out(cfg, tmp_path):
    with Record.open(cfg) as record:
        record.finish()
    for name, content in (("truncated", '{"status": "fin'), ("alien", '{"a": 1}')):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "result.json").write_text(content)
    found, unreadable = results(tmp_path / "runs")
    assert [result.folder for result in found] == [record.folder]
    assert len(unreadable) == 2


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "file"
    files.write_text(file, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"file needs 3 bytes; [\d,]+ are free"):
        files.replace(file, b"new", keep=tmp_path / "kept")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    ran = tmp_path / "ran"

    class Malicious:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    save({"state_dict": Malicious()}, tmp_path / "bad.ckpt")  # by somebody who knows how its digest is kept
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load(tmp_path / "bad.ckpt")
    assert not ran.exists()


def test_a_truncated_checkpoint_is_named(tmp_path):
    file = tmp_path / "cut.ckpt"
    save({"a": torch.zeros(100)}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    digests = [hashlib.sha256(content).hexdigest() for content in (whole[:200], whole)]
    with pytest.raises(
        InputError, match=f"cut.ckpt is truncated or altered: its SHA-256 is {digests[0]}, not {digests[1]}"
    ):
        load(file)


def test_a_digest_sees_names_types_shapes_and_bytes():
    base = {"a": torch.zeros(4), "b": torch.ones(2)}
    others = [
        {"a": torch.zeros(4), "c": torch.ones(2)},
        {"a": torch.zeros(2, 2), "b": torch.ones(2)},
        {"a": torch.zeros(4).int(), "b": torch.ones(2)},
        {"a": torch.full((4,), 1e-45), "b": torch.ones(2)},
    ]
    assert digest(base) == digest(dict(reversed(base.items())))
    assert len({digest(weights) for weights in [base, *others]}) == 5


def rows(folder):
    with (folder / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


def logger(folder):
    made = MetricsCSV()
    made.start(folder)
    return made


def test_values_of_a_step_share_a_row_and_new_columns_leave_gaps(tmp_path):
    log = logger(tmp_path)
    log.log_metrics({"train/loss": 0.1, "epoch": 0}, step=0)
    log.log_metrics({"lr": 0.5, "epoch": 0}, step=0)
    log.log_metrics({"val/loss": 1 / 3, "epoch": 0}, step=1)
    log.finalize("success")
    assert rows(tmp_path) == [
        {"epoch": "0", "step": "0", "train/loss": "0.1", "lr": "0.5", "val/loss": ""},
        {"epoch": "0", "step": "1", "train/loss": "", "lr": "", "val/loss": repr(1 / 3)},
    ]


def test_the_file_goes_back_to_an_earlier_state(tmp_path):
    log = logger(tmp_path)
    log.log_metrics({"a": 1.0, "epoch": 0}, step=0)
    position = log.position()
    before = (tmp_path / "metrics.csv").read_text()
    log.log_metrics({"b": 2.0, "epoch": 1}, step=1)
    log.finalize("success")
    again = logger(tmp_path)
    again.restore(position, tmp_path)
    assert (tmp_path / "metrics.csv").read_text() == before
    again.log_metrics({"b": 2.0, "epoch": 1}, step=1)
    again.finalize("success")
    assert rows(tmp_path)[1] == {"epoch": "1", "step": "1", "a": "", "b": "2.0"}


def test_a_run_s_identity_is_found_once(tmp_path, monkeypatch):
    cfg = config_from({"runs_dir": str(tmp_path)})
    with Record.open(cfg) as record:
        record.finish(metrics={"val/loss": 0.5})
    asked = []
    monkeypatch.setattr(fingerprint, "closure", lambda *words: asked.append(words) or closure(*words))
    assert result_of(cfg).metrics == {"val/loss": 0.5}
    assert len(asked) == 1
