"""What Encore promises, on a CUDA device: the same bits again, whatever happens, on the device and off it."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch
from conftest import ROOT
from endings import SMALL
from processes import DEVNULL, start

import encore
from encore.config.accelerator import cuda_devices
from encore.config.compose import config_from
from encore.errors import NoDevice
from encore.fast.execution import Execution
from encore.population.population import Population
from encore.record.checkpoint_files import BEST, LAST, load
from encore.record.reading import read_manifest
from encore.runner.execute import execute

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not cuda_devices(), reason="no CUDA device")]

CUDA = {"trainer.accelerator": "cuda"}
TRAINS = {**SMALL, **CUDA}
WORDS = ["trainer.accelerator=cuda", "threads=1", "model.dropout=0.3", "scheduler=step"]
EQUAL = ("weights_sha256", "losses_sha256", "metrics", "best", "monitored", "epochs", "steps")
VARIANTS = {
    "mlp": {"model.dropout": 0.5},
    "cnn": {"model": "cnn", "optim": "momentum", "augment": ["flip_crop_small", "random_erasing"]},
    "bf16": {"model": "cnn", "trainer.precision": "bf16-mixed"},
    "fp16": {"model": "cnn", "trainer.precision": "16-mixed"},
    "tf32": {"model": "cnn", "trainer.tf32": True},
    "no tf32": {"model": "cnn", "trainer.tf32": False},
    "channels first": {"model": "cnn", "trainer.channels_last": False},
    "clipped": {"optim": "sgd", "trainer.gradient_clip_val": 0.5, "trainer.accumulate_grad_batches": 2},
    "graphs": {"trainer.cuda_graphs": True},
    "average": {"callbacks": ["default", "ema"]},
}


def tensors(node):
    if isinstance(node, torch.Tensor):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ():
        yield from tensors(item)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_ends_in_the_same_bits_again(run, variant):
    one = run({**TRAINS, **VARIANTS[variant]})
    other = run({**TRAINS, **VARIANTS[variant], "fresh": True})
    assert read_manifest(one.folder)["device"] == "cuda"
    assert one.folder != other.folder
    assert (one.weights_sha256, one.losses_sha256) == (other.weights_sha256, other.losses_sha256)


@pytest.mark.parametrize("change", [{"steps_per_execution": 1}, {"data.resident": False, "data.num_workers": 1}])
def test_how_steps_are_called_and_where_data_lie_change_no_bit(run, tmp_path, change):
    several = run({**TRAINS, "model.dropout": 0.5})
    assert run({**TRAINS, "model.dropout": 0.5, **change, "runs_dir": str(tmp_path / "other")}).weights_sha256 == (
        several.weights_sha256
    )


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=lambda sent: sent.name)
def test_a_run_that_is_stopped_goes_on_to_the_same_bits(run, tmp_path, sent):
    words = [*WORDS, "trainer.max_epochs=200", "callbacks.checkpoint.min_seconds_between=0.2"]
    process = start(
        ROOT / "train.py", *words, f"runs_dir={tmp_path / 'runs'}", stdout=DEVNULL, stderr=DEVNULL, fresh=True
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").rglob("last.ckpt")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(sent)
    process.wait(timeout=60)
    resumed = run(*words)
    assert "where it was stopped, after epoch" in (resumed.folder / "train.log").read_text()
    whole = run(*words, f"runs_dir={tmp_path / 'elsewhere'}")
    for part in EQUAL:
        assert getattr(resumed, part) == getattr(whole, part), part
    assert (resumed.folder / "metrics.csv").read_bytes() == (whole.folder / "metrics.csv").read_bytes()


def test_more_epochs_continue_a_finished_run(run, tmp_path):
    run({**TRAINS, "trainer.max_epochs": 2})
    longer = run({**TRAINS, "trainer.max_epochs": 4})
    assert "where a shorter run ended" in (longer.folder / "train.log").read_text()
    whole = run({**TRAINS, "trainer.max_epochs": 4, "runs_dir": str(tmp_path / "whole")})
    assert longer.weights_sha256 == whole.weights_sha256


def test_two_runs_at_once_end_in_the_bits_that_each_has_alone(run, tmp_path):
    words = [*WORDS, "trainer.max_epochs=20"]
    begun = [
        start(ROOT / "train.py", *words, f"seed={seed}", f"runs_dir={tmp_path / 'both'}", stdout=DEVNULL, fresh=True)
        for seed in (1, 2)
    ]
    assert [process.wait(timeout=300) for process in begun] == [0, 0]
    for seed in (1, 2):
        alone = run(*words, f"seed={seed}", f"runs_dir={tmp_path / 'alone'}")
        assert run(*words, f"seed={seed}", f"runs_dir={tmp_path / 'both'}").weights_sha256 == alone.weights_sha256


def test_checkpoints_are_read_onto_the_cpu_and_used_where_there_is_no_gpu(run):
    folder = run(TRAINS).folder
    for name in (LAST, BEST):
        held = list(tensors(load(folder / "checkpoints" / name)))
        assert held
        assert {tensor.device.type for tensor in held} == {"cpu"}
    program = f"import encore; print(encore.load({str(folder)!r}).device)"
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=hidden, cwd=ROOT, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split()[-1] == "cpu"


def test_a_model_answers_on_the_device_as_on_the_cpu(run, command):
    folder = run({**TRAINS, "model": "cnn"}).folder
    there, here = encore.load(folder), encore.load(folder, device="cpu")
    assert (there.device.type, here.device.type) == ("cuda", "cpu")
    examples = there.data.source.read(range(64)).numpy()
    one, other = there.predict(examples), here.predict(examples)
    assert torch.allclose(torch.as_tensor(one.probabilities), torch.as_tensor(other.probabilities), atol=1e-3)
    assert "bit for bit" in command("scripts/evaluate.py", str(folder), fresh=True).stdout


def test_the_record_has_the_run_s_own_peak_of_memory(run):
    large = run({**TRAINS, "model.widths": [4096, 4096]})
    small = run(TRAINS)
    peaks = [read_manifest(each.folder)["peak_memory_bytes"]["cuda"] for each in (large, small)]
    assert peaks[0] > 4 * 3 * 4096 * 4096  # float32 weights with Adam's two means
    assert peaks[1] < peaks[0] / 4
    assert read_manifest(small.folder)["environment"]["gpus"]


def test_tensorboard_has_the_memory_of_the_gpu(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run({**CUDA, "trainer.max_epochs": 6}).folder))
    events.Reload()
    assert events.Scalars("speed/gpu_memory_mib")[-1].value > 0
    assert events.Scalars("speed/examples_per_second")[-1].value > 0


def test_a_run_leaves_the_gpu_s_generators_as_they_were(run):
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    run({**TRAINS, "model.dropout": 0.5})
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_step_does_not_wait_for_the_gpu(run, monkeypatch):
    plain, steps = Execution.step, []

    def step(execution):
        torch.cuda.set_sync_debug_mode("error")
        try:
            plain(execution)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        steps.append(execution)

    monkeypatch.setattr(Execution, "step", step)
    run(
        {
            **CUDA,
            "trainer.max_epochs": 2,
            "trainer.log_every_n_steps": 1000,
            "model": "cnn",
            "augment": "flip_crop_small",
        }
    )
    assert len(steps) > 20


def trained_together(folder, optim, *seeds):
    """The weights of members of a population of three, by their seeds."""
    population, found = Population(3), {}

    def train(seed):
        words = [*WORDS, f"optim={optim}", f"seed={seed}", "population=3", "trainer.max_epochs=3", f"runs_dir={folder}"]
        found[seed] = execute(config_from(words), lambda: [population.companion()], silent=True).weights_sha256

    population.starts = [partial(train, seed) for seed in seeds]
    population.go_on()
    return found


@pytest.mark.parametrize("optim", ["adam", "momentum", "adagrad", "rmsprop", "adadelta"])
def test_a_member_of_a_population_ends_in_the_same_bits_in_any_company(tmp_path, optim):
    together = trained_together(tmp_path / "three", optim, 1, 2, 3)
    assert len(set(together.values())) == 3
    assert trained_together(tmp_path / "one", optim, 2) == {2: together[2]}


def test_a_population_s_launcher_measures_whether_it_is_faster(command):
    answer = command(
        "train.py", "-m", "seed=range(3)", "hydra/launcher=population", *WORDS, "trainer.max_epochs=2", fresh=True
    )
    assert answer.returncode == 0, answer.stderr
    assert "3 runs together: a step" in answer.stdout or "3 runs one after the other: a step" in answer.stdout


def test_more_devices_than_there_are_is_told_at_once(run):
    with pytest.raises(NoDevice, match=f"this machine has {cuda_devices()} of them"):
        run({**TRAINS, "trainer.devices": cuda_devices() + 1})
