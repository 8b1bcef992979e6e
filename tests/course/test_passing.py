"""What the notes say in passing: two steps of each experiment, and what its parts do."""

import numpy as np
import pytest
import torch
from endings import asked_to_stop, assert_same
from numpy.polynomial import legendre

from course.made import mislabelled_digits, moons, wave
from course.passing.norms import NormalizedCNN
from course.passing.paths import read
from course.passing.polynomial import Polynomial
from course.passing.thinned import accuracies
from encore.analysis.results.metrics import timeline
from encore.errors import ConfigError, InputError, Preempted

TWO_STEPS = {"trainer.max_steps": 2, "trainer.log_every_n_steps": 1}
EXPERIMENTS = ("plane", "wave", "valley", "zero_grad_forgotten", "batch_statistics")
SWEEPS = ("boundaries", "degrees", "valley", "eps", "normalisation", "label_noise", "norms")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "settings", [{"experiment": name} for name in EXPERIMENTS] + [{"sweep": name} for name in SWEEPS], ids=str
)
def test_two_steps_of_each(run, settings):
    result = run({**settings, **TWO_STEPS})
    assert (result.status, result.steps) == ("finished", 2)


def test_made_data_are_a_function_of_their_settings():
    for make in (lambda seed: moons(20, 0.3, seed), lambda seed: wave(20, 0.3, seed)):
        one, same, other = make(0), make(0), make(1)
        assert np.array_equal(one.data, same.data)
        assert np.array_equal(one.targets, same.targets)
        assert not np.array_equal(one.data, other.data)


def test_so_many_labels_are_wrong():
    right, wrong = mislabelled_digits(0.0, 0), mislabelled_digits(0.3, 0)
    assert np.array_equal(right.data, wrong.data)
    assert (right.targets != wrong.targets).mean() == pytest.approx(0.3, abs=0.03)
    assert {*wrong.targets} == {*range(10)}
    with pytest.raises(ValueError, match="share must be from 0 to 1"):
        mislabelled_digits(1.5, 0)


def test_a_polynomial_has_legendre_s_terms():
    net, places = Polynomial([1], 1, degree=4), torch.linspace(-1, 1, 7)[:, None]
    expected = legendre.legvander(places[:, 0].numpy(), 4)[:, 1:] @ net.linear.weight.detach().numpy().T
    torch.testing.assert_close(net(places).detach(), torch.tensor(expected).float() + net.linear.bias)
    for wrong in ({"in_shape": [2], "degree": 3}, {"in_shape": [1], "degree": 0}):
        with pytest.raises(ValueError, match=r"one input|at least 1"):
            Polynomial(num_outputs=1, **wrong)


def test_the_path_through_the_valley_is_that_of_gradient_descent(run):
    result = run({"experiment": "valley", "optim.lr": 0.03, "trainer.max_epochs": 5})
    path = read(result.folder)
    assert path.steep == pytest.approx([(1 - 0.03 * 50) ** step for step in range(5)], rel=1e-5)
    assert path.flat == pytest.approx([10 * (1 - 0.03) ** step for step in range(5)], rel=1e-5)
    assert path.losses[0] == pytest.approx(25 + 50)
    assert timeline(result.folder, "path/rate_1")[1] == pytest.approx([0.03] * 5, rel=1e-4)


def test_paths_are_drawn_of_the_valley_alone(run, command, tmp_path):
    run({"experiment": "valley", "trainer.max_epochs": 2})
    ended = command("scripts/paths.py", str(tmp_path / "runs"), "--out", str(tmp_path / "paths.png"))
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "paths.png").stat().st_size > 0
    other = run({"experiment": "thermometer", "trainer.max_epochs": 2, "runs_dir": str(tmp_path / "other")})
    ended = command("scripts/paths.py", str(other.folder), "--out", str(tmp_path / "no.png"))
    assert (ended.returncode, (tmp_path / "no.png").exists()) == (3, False)
    assert "path/w0" in ended.stderr
    ended = command("scripts/paths.py", str(tmp_path / "runs"), str(other.folder), "--out", str(tmp_path / "two.png"))
    assert (ended.returncode, (tmp_path / "two.png").exists()) == (0, True), ended.stderr
    assert "path/w0" in ended.stderr  # the one that is left out, and why


def test_forgotten_gradients_add_up_and_survive_a_stop(run, tmp_path, monkeypatch):
    settings = {
        "experiment": "zero_grad_forgotten",
        "trainer.max_epochs": 6,
        "callbacks.checkpoint.min_seconds_between": 0,
    }
    whole = run({**settings, "runs_dir": str(tmp_path / "whole")})
    inputs = torch.tensor([[35.7], [55.9], [58.2], [81.9], [56.3], [48.9], [33.9], [21.8], [48.4], [60.4], [68.4]]) / 10
    targets = torch.tensor([0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0])
    weights = torch.tensor([1.0, 0.0], requires_grad=True)
    for _ in range(6):
        (inputs[:, 0] * weights[0] + weights[1] - targets).square().mean().backward()  # adds to the gradient
        with torch.no_grad():
            weights -= 0.01 * weights.grad
    held = torch.load(whole.folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    learned = torch.stack([held["net.linear.weight"].flatten()[0], held["net.linear.bias"][0]])
    torch.testing.assert_close(learned, weights.detach(), rtol=1e-4, atol=1e-4)
    with asked_to_stop(monkeypatch, 3), pytest.raises(Preempted):
        run(settings)
    assert_same(run(settings).folder, whole.folder)


def test_each_normalisation_trains_and_others_are_refused():
    for norm in ("none", "batch", "group", "instance", "layer"):
        assert NormalizedCNN([1, 8, 8], 10, norm, [4, 8])(torch.rand(3, 1, 8, 8)).shape == (3, 10)
    for wrong in ({"norm": "nope", "channels": [4]}, {"norm": "group", "channels": [6]}):
        with pytest.raises(ValueError, match=r"unknown norm|multiples of 4"):
            NormalizedCNN([1, 8, 8], 10, **wrong)


def test_a_batch_s_statistics_are_logged_beside_the_running_ones(run):
    result = run({"experiment": "batch_statistics", **TWO_STEPS})
    (_, means), (_, running) = (timeline(result.folder, f"norm/{name}_mean") for name in ("batch", "running"))
    assert running == pytest.approx([0.1 * means[0], 0.09 * means[0] + 0.1 * means[1]], rel=1e-4)
    with pytest.raises(ConfigError, match="no batch norm"):
        run({"experiment": "batch_statistics", "model.norm": "none", **TWO_STEPS})


def test_a_net_is_compared_with_what_dropout_leaves_of_it(run):
    settings = {"experiment": "overfit", "trainer.max_epochs": 3}
    result = run({**settings, "model.dropout": 0.5})
    found, again = (accuracies(result.folder, nets=4, seed=0) for _ in range(2))
    assert found.whole == pytest.approx(result.metrics["test/accuracy"])
    assert len({*found.alone}) > 1  # the thinned nets differ
    assert np.array_equal(found.averaged, again.averaged)
    assert found.averaged[0] == pytest.approx(found.alone.mean(), abs=0.05)
    with pytest.raises(InputError, match="trained without dropout"):
        accuracies(run(settings).folder, nets=4, seed=0)
