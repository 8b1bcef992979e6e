"""The experiments, as far as a test can wait for: real data where they are, files of the same format where not."""

import csv

import pytest
import torch

import encore


@pytest.mark.sampled(1)
@pytest.mark.parametrize("experiment", ["cifar100_resnet18", "cifar100_wide_resnet"])
def test_cifar100_recipes_run_on_files_of_its_format(experiment, cifar_files, tmp_path):
    folder = cifar_files("CIFAR100")
    small = {"model.depth": 10, "model.widen_factor": 1} if "wide" in experiment else {}
    result = encore.run(
        {
            "experiment": experiment,
            "data_dir": str(folder),
            "runs_dir": str(tmp_path / "runs"),
            "debug": "fast",
            "trainer.accelerator": "cpu",
            "threads": 1,
            "data.batch_size": 4,
            "data.val_fraction": 0.5,
            **small,
        }
    )
    assert result.status == "finished"
    assert result.steps == 2


@pytest.mark.parametrize(
    ("experiment", "least"),
    [("mnist_softmax", 0.90), ("fashion_mnist_softmax", 0.80), ("fashion_mnist_mlp", 0.82)],
)
def test_one_epoch_on_the_real_data_is_well_on_its_way(experiment, least, real_data, tmp_path):
    result = encore.run(
        {
            "experiment": experiment,
            "data_dir": str(real_data),
            "runs_dir": str(tmp_path / "runs"),
            "trainer.max_epochs": 1,
            "trainer.accelerator": "cpu",
            "threads": 1,
        }
    )
    assert result.metrics["test/accuracy"] > least


def test_the_embedded_digits_reach_their_figure(tmp_path):
    settings = {
        "experiment": "digits_mlp",
        "runs_dir": str(tmp_path),
        "trainer.accelerator": "cpu",
        "threads": 1,
    }
    assert encore.run(settings).metrics["test/accuracy"] >= 0.965


def test_real_data_are_verified(real_data):
    from encore.config.compose import config_from
    from encore.data.sources import verify

    for name in ("mnist", "fashion_mnist"):
        data = config_from({"data": name})["data"]
        assert len(data["sha256"]) == 4
        verify(data, real_data)


def test_splits_of_the_real_data_are_of_the_size_that_figures_are_quoted_for(real_data):
    from encore.config.compose import config_from
    from encore.data.module import DataModule

    cfg = config_from({"data": "fashion_mnist", "data_dir": str(real_data)})
    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    data.setup()
    assert data.sizes == {"train": 55_000, "val": 5_000, "test": 10_000}
    assert data.source.targets[data.split.val].bincount().tolist() == [500] * 10
    assert data.source.inputs.dtype == torch.uint8


@pytest.mark.slow
def test_learning_rates_are_one_sweep_over_their_experiments(run, sweep, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    alone = run({"experiment": "softmax_toy_learns"})
    code, said, complained = sweep("sweep=learning_rates", "threads=1", "trainer.accelerator=cpu")
    assert (code, complained) == (0, "")
    assert "finished before" in said.splitlines()[2]  # the sweep's run is the experiment's own
    (table,) = (tmp_path / "runs" / "sweeps").rglob("report.csv")
    with table.open() as stream:
        found = {row["optim.lr"]: float(row["mean"]) for row in csv.DictReader(stream)}
    assert found == pytest.approx({"100000": 1971322.625, "1e-10": 3.187324, "0.1": 0.961836}, rel=1e-6)
    chart = table.with_name("curves.svg").read_text()
    for shown in ("100000", "1e-10", "0.1", r"$\mathdefault{10^{6}}$", "training loss"):
        assert f"<!-- {shown} -->" in chart
    events = EventAccumulator(str(alone.folder)).Reload()
    assert [event.value for event in events.Scalars("train/loss")][-1] == pytest.approx(0.961836, rel=1e-6)
