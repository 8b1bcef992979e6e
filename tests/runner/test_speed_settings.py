"""Settings that are there for speed: what they change, and that a run with them can be had again."""

import copy
import os

import pytest
import torch
from endings import SMALL, asked_to_stop, assert_same
from lightning_fabric.accelerators import cuda
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric
from torch import nn
from torchmetrics import MeanMetric

from encore.data.module import DataModule
from encore.errors import ConfigError, Preempted
from encore.fast.spared import without_moving_logs
from encore.runner.as_before import VARIABLE, as_before
from encore.runner.torch_settings import allow_tf32, compile_net, own_outputs, reproducible_cublas
from encore.tasks.classification import Classification


def test_channels_last_is_how_weights_lie_and_nothing_else(run):
    lies = run({**SMALL, "model": "cnn"})
    plain = run({**SMALL, "model": "cnn", "trainer.channels_last": False})
    assert lies.folder != plain.folder
    assert lies.metrics["test/loss"] == pytest.approx(plain.metrics["test/loss"], rel=1e-3)


@pytest.mark.slow
def test_a_compiled_run_that_was_stopped_ends_in_the_same_bits(run, tmp_path, monkeypatch):
    settings = {**SMALL, "trainer.compile": True, "data.batch_size": 50}  # the last of 6 batches has two examples
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 8), pytest.raises(Preempted):
        run(settings)
    torch._dynamo.reset()  # as in a new process
    assert_same(run(settings).folder, reference.folder)


def test_where_there_are_no_cuda_graphs_a_run_says_so_and_is_the_same(run, capsys):
    recorded = run({**SMALL, "trainer.cuda_graphs": True})
    assert "trainer.cuda_graphs: not available on cpu" in capsys.readouterr().out
    assert recorded.weights_sha256 == run(SMALL).weights_sha256


def test_a_net_is_recorded_anew_for_each_length_and_its_outputs_are_the_caller_s():
    """Torch leaves graphs out on a CPU; what surrounds them is the same."""
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    plain = copy.deepcopy(net)
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    compile_net({"cuda_graphs": True}, net, torch.device("cuda"))
    for length in (6, 6, 2):
        inputs = torch.randn(length, 4)
        for each in (plain, net):
            each.zero_grad()
            torch.manual_seed(length)
            each(inputs).sum().backward()
        assert net[0].weight.grad.equal(plain[0].weight.grad)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before == 2


def test_outputs_that_are_overwritten_are_copied():
    net, buffer = nn.Linear(2, 2), torch.zeros(1)
    net._compiled_call_impl = lambda inputs: {"logits": buffer.add_(inputs.sum())}
    own_outputs(net)
    first, second = net(torch.ones(1)), net(torch.ones(1))
    assert (first["logits"].item(), second["logits"].item()) == (1, 2)


def test_graphs_that_would_add_to_gradients_are_refused(run):
    with pytest.raises(ConfigError, match=r"trainer\.cuda_graphs=true cannot accumulate gradients"):
        run({**SMALL, "trainer.cuda_graphs": True, "trainer.accumulate_grad_batches": 2})


def test_memory_is_filled_again_once_a_run_is_over(run, monkeypatch):
    filled = []
    note = DataModule.note
    settings = torch.utils.deterministic
    looked = lambda data, *args: (filled.append(settings.fill_uninitialized_memory), note(data, *args))  # noqa: E731
    monkeypatch.setattr(DataModule, "note", looked)
    run(SMALL)
    assert filled == [False] * 3
    assert settings.fill_uninitialized_memory


def test_lightning_moves_logs_as_it_did_once_a_run_is_over():
    plain, metric = _ResultMetric.to, MeanMetric()
    with without_moving_logs():
        logged = _ResultMetric(_Metadata("training_step", "loss"), is_tensor=False)
        logged.update(metric, 1)
        assert logged.to("meta").value.device.type == "meta"
        sums = _ResultMetric(_Metadata("training_step", "loss"), is_tensor=True)
        assert sums.to(torch.device("cpu")) is sums
        assert sums.to(torch.device("meta")).value.device.type == "meta"
    assert _ResultMetric.to is plain


def test_tf32_is_allowed_or_not_while_a_run_trains(run, monkeypatch):
    def precisions():
        conv, rnn = torch.backends.cudnn.conv.fp32_precision, torch.backends.cudnn.rnn.fp32_precision
        return torch.backends.cuda.matmul.fp32_precision, conv, rnn, torch.get_float32_matmul_precision()

    before, seen = precisions(), []
    monkeypatch.setattr(LightningModule, "on_train_start", lambda task: seen.append(precisions()))
    run({**SMALL, "trainer.tf32": True})
    run({**SMALL, "trainer.tf32": False})
    assert seen == [("tf32", "tf32", "tf32", "high"), ("ieee", "none", "none", "highest")]
    assert precisions() == before


def test_lightning_and_the_compiler_may_ask_whether_tf32_is_allowed(monkeypatch):
    """As they do on a GPU; asked in the older way, torch refuses where only the newer one has been used."""
    asked = []
    monkeypatch.setattr(cuda, "_is_ampere_or_later", lambda device: asked.append(device) or True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    with as_before():
        for allowed in (True, False):
            allow_tf32(allowed)
            cuda._check_cuda_matmul_precision.cache_clear()
            cuda._check_cuda_matmul_precision(torch.device("cuda", 0))
            assert torch.backends.cuda.matmul.allow_tf32 is allowed
    cuda._check_cuda_matmul_precision.cache_clear()
    assert len(asked) == 2


def test_cublas_is_told_before_anything_is_multiplied(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with as_before():
        reproducible_cublas({"deterministic": True, "accelerator": "cpu"})
        reproducible_cublas({"deterministic": False, "accelerator": "cuda"})
        assert VARIABLE not in os.environ
        reproducible_cublas({"deterministic": True, "accelerator": "cuda"})
        assert os.environ[VARIABLE] == ":4096:8"
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("nll_loss2d_forward_out_cuda_template does not have a deterministic implementation", "deterministic=warn"),
        ("you must set an environment variable: CUBLAS_WORKSPACE_CONFIG=:4096:8", "start it with CUBLAS_WORKSPACE"),
    ],
)
def test_what_has_no_reproducible_form_is_told_with_the_way_out(run, monkeypatch, said, remedy):
    def step(task, *_):
        if task.device.type == "cpu" and task._trainer is not None:
            raise RuntimeError(said)

    monkeypatch.setattr(Classification, "training_step", step)
    with pytest.raises(ConfigError, match=remedy):
        run(SMALL)


def test_a_mode_that_tries_what_is_fastest_is_not_offered(run):
    with pytest.raises(ConfigError, match=r"trainer\.compile=max-autotune"):
        run({"trainer.compile": "max-autotune"})
