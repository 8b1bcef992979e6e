"""Loggers that others wrote get the run, each step once and the end, and cannot spoil the run."""

import csv
import importlib
import importlib.util
import io
import json
import signal
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from endings import SMALL
from PIL import Image
from processes import end_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_resume import OFTEN, folder_in

from encore.analysis.second_run import run_again
from encore.config.compose import config_from
from encore.config.packages import installs
from encore.errors import ConfigError
from encore.loggers.journal import Journal
from encore.loggers.lifecycle import identity
from encore.loggers.services import title
from encore.record.result import Result

QUICK = {**SMALL, "callbacks.progress": None, "trainer.accelerator": "cpu", "threads": 1}


def lines_to(file: Path, **settings: Any) -> dict:
    return {"_target_": "foreign.Lines", "file": str(file), **settings}


def read(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def delivered(file: Path) -> Counter:
    """How often each name and step was logged."""
    return Counter((name, line["step"]) for line in read(file) if "metrics" in line for name in line["metrics"])


def in_csv(folder: Path) -> set:
    """The names and steps of the run's own metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {(name, int(row["step"])) for row in rows for name in row if name != "step" and row[name] != ""}


def test_a_logger_is_told_the_config_the_run_its_metrics_and_the_end(run, tmp_path):
    file = tmp_path / "lines"
    result = run({**QUICK, "logger": "csv", "+logger.mine": lines_to(file)})
    told = read(file)
    assert told[0]["fingerprint"] == result.fingerprint
    (params,) = [line["params"] for line in told if "params" in line]
    assert params["optim"]["lr"] == 0.001
    assert params["encore"] == {
        "name": "digits-mlp-adam",
        "fingerprint": result.fingerprint,
        "folder": str(result.folder),
    }
    last = {name: value for line in told if "metrics" in line for name, value in line["metrics"].items()}
    assert {name: pytest.approx(last[name]) for name in result.metrics} == result.metrics
    assert set(delivered(file)) == in_csv(result.folder)
    assert told[-1] == {"closed": True}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("moment", [1, 4, 9, 17])
def test_a_killed_run_logs_every_step_once(tmp_path, moment):
    settings = {**QUICK, **OFTEN, "logger": "csv", "runs_dir": str(tmp_path / "runs")}
    file = tmp_path / "lines"
    end_run({**settings, "+logger.mine": lines_to(file, die_at=moment)}, -signal.SIGKILL)
    end_run({**settings, "+logger.mine": lines_to(file)})
    times = delivered(file)
    assert set(times) == in_csv(folder_in(tmp_path / "runs"))
    assert set(times.values()) == {1}
    assert len({line["key"] for line in read(file) if "key" in line}) == 1
    assert len([line for line in read(file) if "params" in line]) == 1


def test_a_second_run_of_the_same_config_is_another_run(run, tmp_path):
    file = tmp_path / "lines"
    for _ in range(2):
        run({**QUICK, "fresh": True, "logger": "csv", "+logger.mine": lines_to(file)})
    assert len({line["key"] for line in read(file) if "key" in line}) == 2
    assert set(delivered(file).values()) == {2}


def test_a_logger_that_fails_is_left_out_and_the_run_is_not_lost(run, tmp_path):
    file = tmp_path / "lines"
    settings = {**QUICK, "logger": "csv"}
    alone = run({**settings, "runs_dir": str(tmp_path / "alone")})
    result = run({**settings, "+logger.mine": lines_to(file, fail_at=5)})
    assert (result.status, result.weights_sha256) == ("finished", alone.weights_sha256)
    said = (result.folder / "train.log").read_text()
    assert said.count("logger.mine failed; the run continues without it: ConnectionError") == 1
    assert len([line for line in read(file) if "metrics" in line]) == 4


def test_a_logger_that_cannot_be_opened_ends_the_run_before_it_begins(run, tmp_path):
    with pytest.raises(ConfigError, match=r"^logger.mine cannot be opened: no such host\nlogger.mine=null runs"):
        run(
            {
                **QUICK,
                "logger": "csv",
                "+logger.mine": {"_target_": "foreign.Unreachable", "file": str(tmp_path / "never")},
            }
        )
    assert not list((tmp_path / "runs").rglob("*"))


@pytest.mark.parametrize(
    ("option", "package"),
    [("wandb", "wandb"), ("mlflow", "mlflow"), ("comet", "comet-ml"), ("aim", "aim 'setuptools<81'")],
)
def test_a_missing_package_is_named_before_anything_runs(run, tmp_path, monkeypatch, option, package):
    monkeypatch.setattr("encore.config.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"^logger.{option} needs a package .*: uv pip install {package}$"):
        run({**QUICK, "logger": option})
    assert not list((tmp_path / "runs").rglob("*"))


def test_what_is_no_logger_is_refused(run):
    with pytest.raises(ConfigError, match=r"logger.mine: foreign.Decay is not a Lightning Logger"):
        run({**QUICK, "+logger.mine": {"_target_": "foreign.Decay"}})


def test_lightnings_own_loggers_write_into_the_run_and_hold_each_step_once(tmp_path):
    lightning = "pytorch_lightning.loggers."
    settings = {
        **QUICK,
        **OFTEN,
        "runs_dir": str(tmp_path / "runs"),
        "logger": "csv",
        "+logger.table": {"_target_": f"{lightning}CSVLogger"},
        "+logger.board": {"_target_": f"{lightning}TensorBoardLogger"},
    }
    end_run({**settings, "+logger.mine": lines_to(tmp_path / "lines", die_at=11)}, -signal.SIGKILL)
    end_run(settings)
    folder = folder_in(tmp_path / "runs")
    names = Counter()
    for file in folder.glob("lightning_logs/*/metrics.csv"):
        with file.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        names.update((name, int(row["step"])) for row in rows for name in row if name != "step" and row[name] != "")
    assert (set(names), set(names.values())) == (in_csv(folder), {1})
    points = Counter()
    for version in folder.glob("lightning_logs/*"):
        held = EventAccumulator(str(version)).Reload()
        points.update((tag, point.step) for tag in held.Tags()["scalars"] for point in held.Scalars(tag))
    del points["hp_metric", 0]
    assert (set(points), set(points.values())) == (in_csv(folder), {1})


@pytest.mark.usefixtures("forked_reproduction")
def test_running_again_to_compare_does_not_log(run, tmp_path):
    file = tmp_path / "lines"
    result = run({**QUICK, "logger": "csv", "+logger.mine": lines_to(file)})
    before = file.read_text()
    variables = json.loads((result.folder / "manifest.json").read_text())["environment"]["variables"]
    again = run_again(yaml.safe_load((result.folder / "config.yaml").read_text()), tmp_path / "again", variables, None)
    assert Result.read(again).losses_sha256 == result.losses_sha256
    assert file.read_text() == before


def test_a_journal_survives_a_line_that_was_cut_off(tmp_path):
    file = tmp_path / "delivered.jsonl"
    file.write_text('{"key": "a", "described": true, "last": {"loss": 3}}\n{"last": {"loss": 4}}\n{"last": {"lo')
    found = Journal(file)
    assert (found.key, found.described, found.last) == ("a", True, {"loss": 4})


def test_a_package_that_a_service_lacks_is_named(run, tmp_path):
    recipe = {"_target_": "foreign.Unreachable", "file": str(tmp_path / "never"), "lacks": "pkg_resources"}
    with pytest.raises(ConfigError, match=r"No module named 'pkg_resources': uv pip install 'setuptools<81'\n"):
        run({**QUICK, "logger": "csv", "+logger.mine": recipe})


def test_comet_is_not_turned_off_unnoticed(run):
    with pytest.raises(ConfigError, match=r"^logger.comet: online=false logs nothing .* COMET_START_ONLINE=0"):
        run({**QUICK, "logger": "comet", "+logger.comet.online": False})


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}: {installs(package)}")


# A table, which is shown as a picture: for the last epoch's validation, and for the test.
CONFUSION = {
    "+task.metrics.confusion": {
        "_target_": "torchmetrics.classification.MulticlassConfusionMatrix",
        "num_classes": "${data.num_classes}",
    }
}


def expected(folder: Path) -> set:
    """The names and steps of metrics.csv, and of the pictures of `CONFUSION`."""
    held = in_csv(folder)
    last = max(step for name, step in held if name == "val/loss")
    return held | {(f"{split}/confusion", last) for split in ("train", "val", "test")}


def assert_shows(picture: bytes) -> None:
    """A file of a picture with a matrix in it, not an empty one."""
    with Image.open(io.BytesIO(picture)) as opened:
        assert (min(opened.size) > 200, len(set(opened.convert("L").tobytes())) > 50) == (True, True)


@pytest.fixture
def quiet_wandb(monkeypatch):
    needs("wandb")
    for name, value in {
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_X_DISABLE_STATS": "true",
    }.items():
        monkeypatch.setenv(name, value)


def records(content: bytes) -> Iterator[bytes]:
    """The records of a W&B file: LevelDB's log format after a header of seven bytes, in blocks of 32 KiB."""
    place, record = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        size, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        record += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part of one
            yield record
            record = b""


def wandb_pictures(root: Path) -> list[bytes]:
    return [file.read_bytes() for file in root.glob("wandb/offline-run-*/files/media/images/*/confusion_*.png")]


def wandb_runs(root: Path) -> dict[str, tuple[dict, Counter]]:
    """The config and the logged names and steps of every W&B run, by its id, over all its files."""
    proto = importlib.import_module("wandb.proto.wandb_internal_pb2")
    found: dict[str, tuple[dict, Counter]] = {}
    for file in root.glob("wandb/offline-run-*/*.wandb"):
        config, names = found.setdefault(file.stem.removeprefix("run-"), ({}, Counter()))
        for content in records(file.read_bytes()):
            record = proto.Record.FromString(content)
            config |= {item.key: item.value_json for item in [*record.run.config.update, *record.config.update]}
            row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            step = row.pop("trainer/global_step", None)
            names.update((name, step) for name in row if not name.startswith("_"))
    return found


@pytest.mark.filterwarnings("ignore")  # W&B's own
def test_wandb_goes_on_with_the_same_run_and_logs_every_step_once(tmp_path, quiet_wandb):
    settings = {**QUICK, **OFTEN, **CONFUSION, "logger": ["csv", "wandb"], "runs_dir": str(tmp_path / "runs")}
    end_run({**settings, "+logger.mine": lines_to(tmp_path / "lines", die_at=11, pause=2.0)}, -signal.SIGKILL)
    end_run(settings)
    ((config, names),) = wandb_runs(tmp_path / "runs").values()
    assert (set(names), set(names.values())) == (expected(folder_in(tmp_path / "runs")), {1})
    assert json.loads(config["encore"])["name"] == "digits-mlp-adam"
    pictures = wandb_pictures(tmp_path / "runs")
    assert len(pictures) == 3
    for picture in pictures:
        assert_shows(picture)


@pytest.mark.filterwarnings("ignore")
def test_runs_of_one_process_are_runs_of_their_own_in_wandb(run, tmp_path, quiet_wandb):
    for seed in range(3):
        run({**QUICK, "trainer.max_epochs": 1, "seed": seed, "logger": ["csv", "wandb"]})
    found = wandb_runs(tmp_path / "runs")
    assert sorted(int(config["seed"]) for config, _ in found.values()) == [0, 1, 2]
    assert all(set(names.values()) == {1} for _, names in found.values())


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_goes_on_with_the_same_run_and_logs_every_step_once(tmp_path):
    needs("mlflow")
    settings = {**QUICK, **OFTEN, **CONFUSION, "logger": ["csv", "mlflow"], "runs_dir": str(tmp_path / "runs")}
    end_run({**settings, "+logger.mine": lines_to(tmp_path / "lines", die_at=11)}, -signal.SIGKILL)
    end_run(settings)
    tracking = importlib.import_module("mlflow.tracking")
    client = tracking.MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    (experiment,) = [each for each in client.search_experiments() if each.name == "digits-mlp-adam"]
    (held,) = client.search_runs([experiment.experiment_id])
    assert (held.info.status, held.data.params["optim/lr"]) == ("FINISHED", "0.001")
    names = Counter(
        (name, point.step) for name in held.data.metrics for point in client.get_metric_history(held.info.run_id, name)
    )
    files = sorted((tmp_path / "runs" / "mlflow").glob("*/artifacts/*/confusion/*.png"))
    names.update((f"{file.parts[-3]}/confusion", int(file.stem)) for file in files)
    assert (set(names), set(names.values())) == (expected(folder_in(tmp_path / "runs")), {1})
    for file in files:
        assert_shows(file.read_bytes())
    assert not (Path.cwd() / "mlruns").exists()


def messages(archive: Path) -> Iterator[tuple[dict, bytes]]:
    """What an offline archive of Comet holds, in order, each with the file that it uploads."""
    with zipfile.ZipFile(archive) as held:
        for line in held.read("messages.json").splitlines():
            message = json.loads(line)
            file = message["payload"].get("file_path")
            yield message, held.read(file) if file else b""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Comet's own
def test_comet_goes_on_with_the_same_run_and_logs_every_step_once(tmp_path, monkeypatch):
    needs("comet_ml")
    monkeypatch.setenv("COMET_START_ONLINE", "0")
    settings = {**QUICK, **OFTEN, **CONFUSION, "logger": ["csv", "comet"], "runs_dir": str(tmp_path / "runs")}
    stop = lines_to(tmp_path / "lines", die_at=11, by=int(signal.SIGTERM))  # killed, it would not write its archive
    end_run({**settings, "+logger.mine": stop}, 143)
    end_run(settings)
    names: Counter = Counter()
    archives = list((tmp_path / "runs" / "comet").glob("*.zip"))
    for message, file in (each for archive in archives for each in messages(archive)):
        told = message["payload"]
        if "/" in (metric := told.get("metric", {"metricName": ""}))["metricName"]:  # others are the machine's
            names[metric["metricName"], metric["step"]] += 1
        if told.get("upload_type") == "visualization":
            names[told["additional_params"]["figName"], told["additional_params"]["step"]] += 1
            assert_shows(file)
    steps = {each for each in expected(folder_in(tmp_path / "runs")) if each[0] != "epoch"}
    assert (set(names), set(names.values())) == (steps, {1})
    assert len({archive.name.partition("-")[0] for archive in archives}) == 1  # the key of the experiment


def test_a_service_is_told_the_settings_that_tell_a_run_from_others(tmp_path):
    settings = {"optim.lr": 0.003, "model.widths": [64], "runs_dir": str(tmp_path / "runs")}
    folder = tmp_path / "runs" / "digits-mlp-adam" / "lr0.003-w64" / "seed0-5cebf9cebf"
    run = identity(config_from(settings), folder, Journal(folder / "delivered.jsonl"))
    assert title(run) == "digits-mlp-adam lr0.003-w64 seed0-5cebf9cebf"
    assert run.runs_dir == tmp_path / "runs"
