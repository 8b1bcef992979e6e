"""What a run promises, seen from outside: the same inputs give the same bits, and what it shows is what it did."""

import csv
import json
import subprocess
import sys

import pytest
import torch
import yaml

from encore.errors import ConfigError, Diverged, InputError
from encore.record.checkpoint_files import load

SHORT = {"trainer.max_epochs": 2}


def test_the_same_inputs_give_the_same_bits(run):
    first, second = run(SHORT), run({**SHORT, "fresh": True})
    assert first.folder != second.folder
    assert first.weights_sha256 == second.weights_sha256
    assert first.losses_sha256 == second.losses_sha256
    assert first.metrics == second.metrics
    assert (first.folder / "metrics.csv").read_bytes() == (second.folder / "metrics.csv").read_bytes()


def test_another_seed_gives_another_run(run):
    first, second = run(SHORT), run({**SHORT, "seed": 1})
    assert first.weights_sha256 != second.weights_sha256
    assert first.folder != second.folder


def test_the_history_of_the_process_does_not_matter(run):
    first = run(SHORT)
    torch.manual_seed(123)
    torch.randn(10)
    run({"model": "softmax", "optim": "sgd", **SHORT})
    assert run({**SHORT, "fresh": True}).weights_sha256 == first.weights_sha256


@pytest.mark.parametrize("change", [{"logger": "none"}, {"callbacks.progress": None}, {"data.resident": False}])
def test_how_it_is_shown_or_loaded_changes_no_bit(run, change):
    model = {"model.dropout": 0.5, "augment": ["noise"], **SHORT}
    assert run(model).weights_sha256 == run({**model, **change, "fresh": True}).weights_sha256


def test_a_finished_run_is_returned_at_once_without_torch(run):
    finished = run(SHORT)
    program = (
        "import sys, encore\n"
        f"result = encore.run({{'runs_dir': {str(finished.folder.parents[2])!r}, 'threads': 1,"
        " 'trainer.accelerator': 'cpu', 'trainer.max_epochs': 2})\n"
        "assert 'torch' not in sys.modules\n"
        "print(result.weights_sha256)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "finished already" in answer.stdout
    assert finished.weights_sha256 in answer.stdout


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scheduler": "step", "scheduler.step_size": 3, "model.dropout": 0.3, "augment": ["noise"]},
        {
            "scheduler": "plateau",
            "scheduler.patience": 0,
            "model": "cnn",
            "trainer.accumulate_grad_batches": 3,
        },
        {"callbacks": "early_stopping", "optim": "momentum"},
        {"trainer.precision": "64-true"},
    ],
    ids=["plain", "schedule", "plateau", "early_stopping", "double"],
)
def test_more_epochs_go_on_from_a_finished_run_to_the_same_bits(run, tmp_path, settings):
    whole = run({**settings, "trainer.max_epochs": 5, "runs_dir": str(tmp_path / "elsewhere")})
    run({**settings, "trainer.max_epochs": 2})
    longer = run({**settings, "trainer.max_epochs": 5})
    assert "where a shorter run ended, after epoch 2" in (longer.folder / "train.log").read_text()
    for part in ("weights_sha256", "losses_sha256", "metrics", "best", "monitored", "steps", "epochs"):
        assert getattr(longer, part) == getattr(whole, part), part
    assert (longer.folder / "metrics.csv").read_bytes() == (whole.folder / "metrics.csv").read_bytes()
    assert scalars(longer.folder) == scalars(whole.folder)


def test_a_run_that_early_stopping_ended_at_its_last_epoch_is_not_gone_on_from(run, tmp_path):
    settings = {"callbacks": "early_stopping", "callbacks.early_stopping.patience": 1}
    settings |= {"callbacks.early_stopping.min_delta": 9}
    whole = run({**settings, "trainer.max_epochs": 5, "runs_dir": str(tmp_path / "elsewhere")})
    assert run({**settings, "trainer.max_epochs": 2}).stopped_early
    longer = run({**settings, "trainer.max_epochs": 5})
    assert (longer.epochs, longer.weights_sha256) == (whole.epochs, whole.weights_sha256)


def test_a_run_without_logs_is_not_gone_on_from(run):
    run({"logger": "none", "trainer.max_epochs": 1})
    longer = run(SHORT)
    assert len(scalars(longer.folder)["train/loss"]) == 2


def test_a_schedule_over_the_whole_run_begins_anew(run):
    run({"scheduler": "cosine", "trainer.max_epochs": 1})
    assert "shorter run" not in (run({"scheduler": "cosine", **SHORT}).folder / "train.log").read_text()


def test_early_stopping_stops(run):
    stopped = run(
        {
            "callbacks": "early_stopping",
            "callbacks.early_stopping.patience": 1,
            "callbacks.early_stopping.min_delta": 9,
        }
    )
    assert (stopped.epochs, stopped.stopped_early) == (2, True)


def test_the_best_weights_are_tested_and_kept(run):
    result = run({"trainer.max_epochs": 4, "optim.lr": 0.05, "monitor.metric": "val/accuracy", "monitor.mode": "max"})
    with (result.folder / "metrics.csv").open() as stream:
        accuracy = [float(row["val/accuracy"]) for row in csv.DictReader(stream) if row["val/accuracy"]]
    assert result.monitored == max(accuracy)
    assert result.best["epoch"] == accuracy.index(max(accuracy))
    assert load(result.folder / "checkpoints" / "best.ckpt")["epoch"] == result.best["epoch"]


def test_without_a_validation_set_the_last_weights_are_the_best(run):
    from encore.files import digest

    result = run({**SHORT, "data.val_fraction": 0.0})
    assert digest(load(result.folder / "checkpoints" / "best.ckpt")["state_dict"]) == result.weights_sha256
    assert result.monitored == result.metrics["train/loss"]


def test_checkpoints_hold_tensors_and_plain_values_only(run):
    folder = run({**SHORT, "scheduler": "one_cycle", "callbacks": "early_stopping"}).folder / "checkpoints"
    for name in ("last.ckpt", "best.ckpt"):
        assert torch.load(folder / name, weights_only=True)["state_dict"]


def test_lightning_loads_the_best_weights_as_its_own(run):
    from encore.tasks.classification import Classification

    checkpoint = run(SHORT).folder / "checkpoints" / "best.ckpt"
    assert Classification.load_from_checkpoint(checkpoint, weights_only=True).net is not None


def test_the_folder_holds_what_the_pages_say(run):
    result = run(SHORT)
    names = {path.name for path in result.folder.iterdir() if not path.name.startswith(("events", "."))}
    written = {"config.yaml", "result.json", "manifest.json", "metrics.csv", "losses.f32", "checkpoints", "train.log"}
    assert names == written | {"record.sha256"}
    held = json.loads((result.folder / "result.json").read_text())
    assert held["status"] == "finished"
    assert {"train/loss", "val/accuracy", "test/accuracy"} <= held["metrics"].keys()
    assert held["epochs"] == 2
    assert held["steps"] == 40
    assert yaml.safe_load((result.folder / "config.yaml").read_text())["optim"]["lr"] == 0.001
    assert "accuracy" in (result.folder / "train.log").read_text()


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()


def scalars(folder):
    held = events(folder)
    tags = (tag for tag in held.Tags()["scalars"] if not tag.startswith("speed/"))  # they differ each time
    return {tag: [(point.step, point.value) for point in held.Scalars(tag)] for tag in tags}


def test_tensorboard_shows_the_run(run):
    result = run({**SHORT, "trainer.log_every_n_steps": 10})
    held = events(result.folder)
    curves = scalars(result.folder)
    for tag in ("train/loss", "val/loss", "train/accuracy", "val/accuracy"):
        assert [step for step, _ in curves[tag]] == [19, 39], tag
    assert len(curves["optim/lr"]) == len(curves["optim/grad_norm"]) == 4
    assert curves["test/accuracy"][0][1] == pytest.approx(result.metrics["test/accuracy"])
    assert held.Tags()["graph"]
    assert "config/text_summary" in held.Tags()["tensors"]
    assert "custom_scalars__config__" in held.Tags()["tensors"]
    assert {
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    } <= held.summary_metadata.keys()


def test_a_loss_that_is_not_finite_names_its_step(run, tmp_path):
    settings = {"optim": "sgd", "optim.lr": 1e30, "trainer.max_epochs": 3}
    with pytest.raises(Diverged, match=r"at step 1 of epoch 0 .* learning rate at 1e\+30"):
        run(settings)
    held = json.loads(next((tmp_path / "runs").rglob("result.json")).read_text())
    assert held["status"] == "diverged"


def test_a_run_tried_again_leaves_nothing_of_the_attempt_before(run, tmp_path):
    for _ in range(2):
        with pytest.raises(Diverged):
            run({"optim": "sgd", "optim.lr": 1e30})
    assert len(list((tmp_path / "runs").rglob("events.*"))) == 1


def test_what_goes_wrong_after_training_does_not_take_the_run_away(run, tmp_path, monkeypatch):
    from encore.runner import training

    def broken(cfg, parts, best):
        raise InputError("example 3 cannot be read")

    monkeypatch.setattr(training, "test", broken)
    with pytest.raises(InputError):
        run(SHORT)
    held = json.loads(next((tmp_path / "runs").rglob("result.json")).read_text())
    assert held["status"] == "failed"
    assert next((tmp_path / "runs").rglob("last.ckpt"))
    assert "example 3" in next((tmp_path / "runs").rglob("train.log")).read_text()


def test_gradients_are_clipped_in_mixed_precision(run):
    assert run({**SHORT, "trainer.precision": "bf16-mixed", "trainer.gradient_clip_val": 1.0}).status == "finished"


def test_the_logged_loss_is_the_batch_s_whatever_is_accumulated(run):
    logged = []
    for accumulate in (1, 4):
        settings = {**SHORT, "trainer.accumulate_grad_batches": accumulate, "logger": "csv"}
        with (run(settings).folder / "metrics.csv").open() as stream:
            logged.append(next(csv.DictReader(stream))["train/batch_loss"])
    assert logged[0] == logged[1]


def test_a_net_that_cannot_be_recorded_has_no_graph_but_trains(run, monkeypatch):
    from encore.models.mlp import MLP

    plain = MLP.forward

    def unrecordable(self, inputs):
        assert not torch.overrides.has_torch_function((inputs,)), "not while it is recorded"
        return plain(self, inputs)

    monkeypatch.setattr(MLP, "forward", unrecordable)
    result = run(SHORT)
    assert result.status == "finished"
    assert "no graph" in (result.folder / "train.log").read_text()


def test_a_batch_of_one_trains_where_batch_norm_has_pixels_to_average(run):
    assert run({"model": "cnn", "data.batch_size": 1, "debug": "fast"}).steps == 2


def test_the_last_good_checkpoint_survives_divergence(run, tmp_path):
    settings = {"optim": "sgd", "scheduler": "step", "scheduler.step_size": 2, "scheduler.gamma": 1e30}
    with pytest.raises(Diverged, match="of epoch 2"):
        run({**settings, "callbacks.checkpoint.min_seconds_between": 0, "trainer.max_epochs": 4})
    last = load(next((tmp_path / "runs").rglob("last.ckpt")))
    assert last["epoch"] in (1, 2)
    assert all(tensor.isfinite().all() for tensor in last["state_dict"].values())


def test_weights_that_the_last_step_broke_are_found(run):
    settings = {"optim": "sgd", "optim.lr": 1e39, "data.batch_size": 1258, "trainer.max_epochs": 1}
    with pytest.raises(Diverged, match=r"not finite|loss is"):
        run({**settings, "data.val_fraction": 0.1})


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"data.batch_size": 5000}, ConfigError, "more than the 1258 training examples"),
        (
            {"model": "mlp", "model.norm": "batch", "data.batch_size": 1257},
            ConfigError,
            "a batch of 1 of the 1258 training examples: Expected more than 1 value",
        ),
        (
            {"augment": "flip_crop", "model": "softmax", "data.shape": [64]},
            ConfigError,
            "do not fit together",
        ),
        ({"data.num_classes": 5}, InputError, "classes 0 to 9; data.num_classes=5"),
        ({"data.shape": [3, 8, 8]}, InputError, r"not data.shape=\[3, 8, 8\]"),
        ({"trainer.accelerator": "gpu"}, ConfigError, "this machine lacks"),
        ({"+trainer.max_epoch": 3}, ConfigError, "trainer: .*max_epoch"),
        ({"scheduler": "step", "scheduler.step_size": "x"}, ConfigError, "scheduler.step_size=x: must be a whole"),
        ({"scheduler": "cosine", "scheduler.total": 0}, ConfigError, "scheduler: total=0 must be at least 1"),
        ({"optim.betas": [0.9]}, ConfigError, "cannot build optim"),
        ({"callbacks": "early_stopping", "callbacks.early_stopping.mode": "maximum"}, ConfigError, "maximum"),
        ({"model.num_outputs": 7}, ConfigError, r"do not fit together|classes 0 to 9"),
    ],
)
def test_what_cannot_run_is_said_before_the_first_step(run, tmp_path, settings, error, message):
    if settings.get("trainer.accelerator") == "gpu" and (
        torch.cuda.is_available() or torch.backends.mps.is_available()
    ):
        pytest.skip("this machine has a GPU")
    with pytest.raises(error, match=message):
        run(settings)
    assert not list((tmp_path / "runs").glob("*"))


def test_splits_are_shared_by_seeds_and_changed_by_their_own(run):
    from encore.config.compose import config_from
    from encore.data.module import DataModule

    def val(**overrides):
        cfg = config_from({key.replace("__", "."): value for key, value in overrides.items()})
        module = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
        module.setup()
        return module.split.val

    assert val().equal(val(seed=1))
    assert not val().equal(val(data__split_seed=1))


def test_two_processes_take_the_same_steps_over_the_same_examples(run):
    settings = {"trainer.max_epochs": 2, "trainer.log_every_n_steps": 1}
    alone = run(settings)
    together = run({**settings, "trainer": "ddp", "trainer.devices": 2})
    assert together.steps == alone.steps
    assert together.metrics == pytest.approx(alone.metrics, rel=1e-4)
    again = run({**settings, "trainer": "ddp", "trainer.devices": 2, "fresh": True})
    assert again.weights_sha256 == together.weights_sha256
