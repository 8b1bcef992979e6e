"""RandAugment and AugMix: each operation as torchvision's on single pictures, and what is drawn for a batch."""

import pytest
import torch
from endings import SMALL
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import AugMix as TheirAugMix
from torchvision.transforms.v2 import RandAugment as TheirRandAugment

from encore.config.compose import config_from
from encore.data.augment import aug_mix, rand_augment
from encore.data.augment.aug_mix import AugMix
from encore.data.augment.rand_augment import RandAugment
from encore.errors import ConfigError

NAMES = {
    "identity": "Identity", "shear_x": "ShearX", "shear_y": "ShearY", "translate_x": "TranslateX",
    "translate_y": "TranslateY", "rotate": "Rotate", "brightness": "Brightness", "color": "Color",
    "contrast": "Contrast", "sharpness": "Sharpness", "posterize": "Posterize", "solarize": "Solarize",
    "auto_contrast": "AutoContrast", "equalize": "Equalize",
}  # fmt: skip
SIZE = (28, 20)


def pictures(channels):
    torch.manual_seed(0)
    return torch.rand(6, channels, *SIZE).round(decimals=2)


def theirs(transform, space, name, place, bins, sign, picture):
    """One of torchvision's operations, as its policies apply it."""
    magnitudes, signed = space[NAMES[name]]
    values = magnitudes(bins, *SIZE)
    strength = 0.0 if values is None else float(values[place]) * (sign if signed else 1)
    return transform._apply_image_or_video_transform(
        picture, NAMES[name], strength, interpolation=InterpolationMode.NEAREST, fill=transform._fill
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_torchvision_s(name, channels):
    batch, sign = pictures(channels), torch.tensor([1.0, -1.0] * 3)
    operation = getattr(rand_augment.op, name)
    cases = [(TheirRandAugment(), TheirRandAugment._AUGMENTATION_SPACE, 31, 9, RandAugment(1, 9).strengths(sign))]
    if name in (each.__name__ for each in aug_mix.SPACE):
        level = torch.full((6,), 2 / 9)
        cases.append((TheirAugMix(), TheirAugMix._PARTIAL_AUGMENTATION_SPACE, 10, 2, aug_mix.strengths(level, sign)))
    for transform, space, bins, place, strengths in cases:
        ours = operation(batch, strengths[operation])
        for number, picture in enumerate(batch):
            expected = theirs(transform, space, name, place, bins, float(sign[number]), picture)
            same = torch.isclose(ours[number], expected, atol=1e-5).float().mean()
            assert same > 0.99, f"{name}: {same}"  # pixels half-way between two are rounded either way


@pytest.mark.parametrize("step", [RandAugment(), AugMix()], ids=["rand_augment", "aug_mix"])
def test_a_batch_is_drawn_by_the_generator_s_seed_and_each_picture_for_itself(step):
    batch = torch.rand(1, 3, 12, 12).expand(40, -1, -1, -1)
    before, targets, made = batch.clone(), torch.arange(40), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        changed, same = step(batch, targets)
        assert same is targets
        made.append(changed)
    assert batch.equal(before)
    assert made[0].equal(made[1])
    assert not made[0].equal(made[2])
    assert len(made[0].flatten(1).unique(dim=0)) > 20
    assert made[0].min() >= 0
    assert made[0].max() <= 1 + 1e-6


@pytest.mark.parametrize("kind", [RandAugment, AugMix])
def test_constants_of_normalisation_are_undone(kind):
    batch, targets = torch.rand(8, 3, 12, 12), torch.zeros(8)
    constants = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}
    mean, std = (torch.tensor(each)[:, None, None] for each in constants.values())
    torch.manual_seed(0)
    plain, _ = kind()(batch, targets)
    torch.manual_seed(0)
    normalised, _ = kind(normalize=constants)((batch - mean) / std, targets)
    assert torch.isclose(normalised * std + mean, plain, atol=1e-4).float().mean() > 0.97  # of rounding at a level


@pytest.mark.parametrize("option", ["rand_augment", "aug_mix"])
def test_standardised_pictures_are_refused_with_the_remedy(option):
    with pytest.raises(
        ConfigError, match=f"augment.{option}.normalize must be none, minmax or constants, not standardize"
    ):
        config_from({**SMALL, "augment": [option]})


def test_without_magnitude_little_changes_and_with_it_much():
    batch = pictures(1)
    torch.manual_seed(0)
    still, _ = RandAugment(1, 0)(batch, None)
    torch.manual_seed(0)
    moved, _ = RandAugment(1, 30)(batch, None)
    assert (still - batch).abs().mean() < (moved - batch).abs().mean()
