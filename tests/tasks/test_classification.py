import pytest
import torch
import torch.nn.functional as F

from encore.callbacks.seeds import Seeds
from encore.config.compose import config_from
from encore.runner.parts import build_task
from encore.tasks.tally import MeanLoss


def task(**overrides):
    return build_task(config_from({key.replace("__", "."): value for key, value in overrides.items()}))


class Place:
    """The little of a trainer that a training step reads."""

    world_size = 1
    global_rank = 0
    current_epoch = 0


def loss_of(module, batch, index=0):
    module.trainer = Place()
    Seeds(module.seed).on_train_batch_start(module.trainer, module, batch, index)
    return module.training_step(batch, index)["loss"]


BATCH = (torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 10)


def test_the_seed_decides_the_weights():
    first, same, other = task(), task(), task(seed=1)
    weights = [next(module.net.parameters()) for module in (first, same, other)]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_the_loss_is_cross_entropy():
    module = task()
    assert loss_of(module, BATCH).item() == F.cross_entropy(module.net(BATCH[0]), BATCH[1]).item()


def test_label_smoothing_is_for_training_alone():
    module = task(task__label_smoothing=0.2)
    expected = F.cross_entropy(module.net(BATCH[0]), BATCH[1], label_smoothing=0.2)
    assert loss_of(module, BATCH).item() == expected.item()
    module.validation_step(BATCH, 0)
    assert module.val_tally.means()["loss"].item() == pytest.approx(
        F.cross_entropy(module.net(BATCH[0]), BATCH[1]).item()
    )


def test_noise_on_the_weights_changes_the_loss_but_not_the_weights():
    module, clean = task(task__weight_noise=0.1), task()
    noisy = loss_of(module, BATCH)
    assert noisy.item() != loss_of(clean, BATCH).item()
    noisy.backward()
    assert all(parameter.grad is not None for parameter in module.net.parameters())
    for parameter, untouched in zip(module.net.parameters(), clean.net.parameters(), strict=True):
        assert parameter.equal(untouched)


def test_dropout_and_augmentation_are_functions_of_the_step():
    module = task(model__dropout=0.5, augment=["noise", "mixup"])
    first = loss_of(module, BATCH, index=3).item()
    torch.manual_seed(99)
    loss_of(module, BATCH, index=4)
    assert loss_of(module, BATCH, index=3).item() == first
    assert loss_of(module, BATCH, index=4).item() != first


def test_the_mean_loss_weighs_batches_by_their_examples_and_keeps_what_is_no_number():
    mean = MeanLoss()
    mean.update(torch.tensor([0.0, 2.0]), 3)
    mean.update(torch.tensor([8.0]), 1)
    assert mean.compute() == 2.0
    mean.update(torch.tensor([float("nan")]), 1)
    assert mean.compute().isnan()


def test_a_checkpoint_s_settings_are_plain_values():
    def plain(value):
        if isinstance(value, dict):
            return all(map(plain, value.values()))
        return isinstance(value, list | int | float | str | None)

    assert plain(dict(task().hparams))
