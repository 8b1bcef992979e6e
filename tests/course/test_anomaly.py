"""Anomaly detection: data of one class, nets against their formulas, the AUROC, and runs on made pictures."""

import pytest
import torch
from conftest import REAL
from endings import asked_to_stop
from torch.distributions import Normal, kl_divergence

import encore
from course.anomaly.auroc import AUROC
from course.anomaly.nets import Autoencoder, DeepSVDD, VariationalAutoencoder
from course.anomaly.one_class import MNIST, even
from encore.errors import ConfigError, Preempted

EXPERIMENTS = ("anomaly_autoencoder", "anomaly_vae", "anomaly_svdd")
SHAPE = [1, 4, 4]


def made(mnist_files, **more):
    words = {"data_dir": str(mnist_files("MNIST")), "data.sha256": None, "data.batch_size": 8, "data.normal": 9}
    return {**words, **more}


def test_training_pictures_are_normal_and_test_pictures_are_of_all_classes(mnist_files):
    root = str(mnist_files("MNIST"))
    train, test = (MNIST(root, normal=3, train=part, contrast=False) for part in (True, False))
    assert train.targets.tolist() == [0] * 40
    assert 60 <= train.data.min() <= train.data.max() < 100  # the third class's brightness
    assert test.targets.tolist() == [int(label != 3) for label in [*range(10)] * 10]
    assert train.classes == ["normal", "anomaly"]


def test_contrast_is_made_equal_and_an_empty_picture_stays_finite():
    pictures = torch.randint(256, (5, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    pictures[0] = 7
    found = even(pictures)
    assert found.mean((1, 2)).tolist() == pytest.approx([0] * 5, abs=1e-5)
    assert found.abs().mean((1, 2)).tolist() == pytest.approx([0, 1, 1, 1, 1], abs=1e-5)


@pytest.mark.parametrize("normal", [-1, 10])
def test_a_class_that_there_is_not(mnist_files, normal):
    with pytest.raises(ConfigError, match=f"data.normal must be a class from 0 to 9, not {normal}"):
        MNIST(str(mnist_files("MNIST")), normal=normal)


def test_an_autoencoder_s_number_is_its_squared_error():
    net, inputs = Autoencoder(SHAPE, width=8, code=2), torch.rand(3, *SHAPE)
    expected = (net.reconstruct(inputs) - inputs).square().flatten(1).sum(1)
    assert torch.allclose(net(inputs)[:, 0], expected, rtol=1e-5)


def test_a_variational_one_s_number_is_minus_its_bound_but_for_a_constant():
    net, inputs = VariationalAutoencoder(SHAPE, width=8, code=2, noise=0.5).eval(), torch.rand(3, *SHAPE)
    mean, log_variance = net.encoder(inputs).chunk(2, 1)
    likelihood = Normal(net.reconstruct(inputs), 0.5).log_prob(inputs).flatten(1).sum(1)
    constant = Normal(torch.zeros(()), 0.5).log_prob(torch.zeros(())) * 16
    divergence = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(net(inputs)[:, 0], divergence - likelihood + constant, rtol=1e-5)
    assert torch.equal(net(inputs), net(inputs))
    assert not torch.equal(net.train()(inputs), net(inputs))  # a code is drawn


def test_deep_svdd_s_number_is_the_distance_from_the_first_mean_code():
    net, inputs = DeepSVDD(SHAPE, width=8, code=2).eval(), torch.rand(30, *SHAPE)
    net.see(inputs)
    codes = net.encoder(inputs)
    assert torch.allclose(net(inputs)[:, 0], (codes - codes.mean(0)).square().sum(1), atol=1e-6)
    assert not [name for name, _ in net.named_parameters() if name.endswith("bias")]
    assert "centre" in net.state_dict()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Autoencoder(SHAPE, code=0), "code must be at least 1, not 0"),
        (lambda: DeepSVDD(SHAPE, width=0), "width must be at least 1, not 0"),
        (lambda: VariationalAutoencoder(SHAPE, noise=0), "noise must be above 0, not 0"),
    ],
)
def test_settings_that_no_net_can_have(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_auroc_is_the_share_of_pairs_in_order_also_of_large_scores():
    metric = AUROC()
    for scores, anomalous in (([1000.0, 2000.0, 3000.0], [0, 1, 0]), ([4000.0, 2000.0], [1, 0])):
        metric.update(torch.tensor(scores), torch.tensor(anomalous))
    assert float(metric.compute()) == pytest.approx((1 + 0.5 + 0 + 3) / 6)
    metric.reset()
    metric.update(torch.ones(3), torch.zeros(3, dtype=torch.long))
    assert float(metric.compute()) != float(metric.compute())  # NaN


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_trains_two_steps_and_only_the_test_set_has_an_auroc(run, mnist_files, experiment):
    result = run({"experiment": experiment, "debug": "fast", **made(mnist_files)})
    assert (result.status, result.steps) == ("finished", 2)
    assert not [name for name in result.undeclared if name.startswith("course.anomaly")]
    assert 0 <= result.metrics["test/auroc"] <= 1
    assert not {"train/auroc", "val/auroc"} & result.metrics.keys()


def test_brighter_pictures_than_any_are_normal_where_the_brightest_class_is(run, mnist_files):
    words = {"experiment": "anomaly_autoencoder", "data.contrast": False, "optim.lr": 0.01}
    assert run({**words, **made(mnist_files)}).metrics["test/auroc"] > 0.99


@pytest.mark.parametrize("experiment", ["anomaly_svdd", "anomaly_vae"])
def test_a_run_that_was_stopped_keeps_its_centre_and_ends_in_the_same_bits(
    run, mnist_files, tmp_path, monkeypatch, experiment
):
    words = {"experiment": experiment, "trainer.max_epochs": 2, **made(mnist_files)}
    one = run(words)
    other = {**words, "runs_dir": str(tmp_path / "stopped")}
    with asked_to_stop(monkeypatch, 2), pytest.raises(Preempted):
        run(other)
    again = run(other)
    assert (one.weights_sha256, one.losses_sha256, one.metrics) == (
        again.weights_sha256, again.losses_sha256, again.metrics,
    )  # fmt: skip
    held = torch.load(again.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert experiment != "anomaly_svdd" or held["net.centre"].abs().sum() > 0


@pytest.mark.slow
def test_zeros_among_the_real_digits_are_told_from_the_rest(tmp_path, real_data):
    words = {"experiment": "anomaly_svdd", "data.normal": 0, "trainer.accelerator": "cpu"}
    result = encore.run({**words, "data_dir": str(REAL), "runs_dir": str(tmp_path / "runs")})
    assert result.metrics["test/auroc"] > 0.95
