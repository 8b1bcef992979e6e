import pytest
import torch

from encore.data.augment.crop import Crop
from encore.data.augment.cutmix import CutMix
from encore.data.augment.flip import Flip
from encore.data.augment.mixup import Mixup
from encore.data.augment.noise import Noise
from encore.data.augment.random_erasing import RandomErasing

INPUTS = torch.arange(64 * 3 * 8 * 8, dtype=torch.float32).reshape(64, 3, 8, 8) + 1
TARGETS = torch.arange(64) % 10
STEPS = [Flip(), Crop(2), Noise(0.1), RandomErasing(1.0), Mixup(0.4, 10), CutMix(1.0, 10)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_shapes_stay_and_each_example_has_its_own_draw(step):
    torch.manual_seed(0)
    same = INPUTS[:1].expand(64, -1, -1, -1) + (0 if not isinstance(step, Mixup | CutMix) else INPUTS)
    inputs, targets = step(same.contiguous(), TARGETS)
    assert inputs.shape == INPUTS.shape
    assert len(targets) == 64
    changes = (inputs - same).flatten(1)
    assert len(changes.unique(dim=0)) > (1 if isinstance(step, Flip) else 10)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_the_generator_s_seed_decides(step):
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(step(INPUTS, TARGETS)[0])
    assert results[0].equal(results[1])
    assert not results[0].equal(results[2])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_the_batch_that_came_in_is_left_alone(step):
    before = INPUTS.clone()
    step(INPUTS, TARGETS)
    assert INPUTS.equal(before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_batch_keeps_its_precision(step, dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # as Lightning does for a step under trainer.precision=bf16-true
    try:
        inputs, targets = step(INPUTS.to(dtype) / INPUTS.max(), TARGETS)
    finally:
        torch.set_default_dtype(before)
    assert inputs.dtype == dtype
    assert inputs.isfinite().all()
    assert targets.dtype == (dtype if isinstance(step, Mixup | CutMix) else torch.int64)


def test_a_picture_is_mirrored_or_as_it_was():
    torch.manual_seed(0)
    flipped = Flip()(INPUTS, TARGETS)[0]
    mirrored = [bool(out.equal(picture.flip(-1))) for out, picture in zip(flipped, INPUTS, strict=True)]
    same = [bool(out.equal(picture)) for out, picture in zip(flipped, INPUTS, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 < sum(mirrored) < 44


def test_a_crop_is_a_window_of_the_padded_picture_the_same_in_all_channels():
    torch.manual_seed(0)
    cropped = Crop(2)(INPUTS, TARGETS)[0]
    padded = torch.nn.functional.pad(INPUTS, [2] * 4)
    places = set()
    for out, picture in zip(cropped, padded, strict=True):
        found = [(y, x) for y in range(5) for x in range(5) if out.equal(picture[:, y : y + 8, x : x + 8])]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 15


def test_erasing_takes_one_rectangle_of_the_area_asked_for():
    torch.manual_seed(0)
    erased = (RandomErasing(1.0, area=[0.2, 0.4])(INPUTS, TARGETS)[0] == 0).all(1)
    for mask in erased:
        rows, columns = mask.any(1), mask.any(0)
        assert mask.sum() == rows.sum() * columns.sum()  # what is erased is the whole rectangle
    assert 0.15 < erased.float().mean() < 0.45


def test_erasing_spares_the_pictures_that_were_not_chosen():
    torch.manual_seed(0)
    touched = (RandomErasing(0.25)(INPUTS, TARGETS)[0] != INPUTS).flatten(1).any(1)
    assert 5 < touched.sum() < 30


def test_mixup_mixes_inputs_and_targets_by_the_same_share():
    torch.manual_seed(0)
    constant = TARGETS.float().reshape(-1, 1).expand(64, 4)
    inputs, targets = Mixup(1.0, 10)(constant, TARGETS)
    assert targets.sum(1).tolist() == pytest.approx([1.0] * 64)
    torch.testing.assert_close(targets @ torch.arange(10.0), inputs[:, 0])


def test_cutmix_counts_the_pixels_that_it_replaced():
    torch.manual_seed(0)
    constant = TARGETS.float().reshape(-1, 1, 1, 1).expand(64, 1, 8, 8)
    inputs, targets = CutMix(1.0, 10)(constant, TARGETS)
    torch.testing.assert_close(targets @ torch.arange(10.0), inputs.mean((1, 2, 3)))


def test_mixed_targets_can_be_mixed_again():
    _, targets = CutMix(1.0, 10)(*Mixup(0.4, 10)(INPUTS, TARGETS))
    assert targets.shape == (64, 10)
    assert targets.sum(1).tolist() == pytest.approx([1.0] * 64)


@pytest.mark.parametrize(
    "make",
    [lambda: Flip(1.5), lambda: Crop(0), lambda: Crop(2, "wrap"), lambda: Noise(-1), lambda: Mixup(0, 10)],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(ValueError, match=r"must be|unknown mode"):
        make()


MASKED = {
    "arrays": (torch.rand(64, 3, 6, 6), torch.arange(36).view(6, 6).expand(64, 6, 6).clone(), ["inputs", "targets"]),
    "names": (
        {"image": torch.rand(64, 3, 6, 6), "other": torch.rand(64, 2)},
        {"mask": torch.arange(36).view(6, 6).expand(64, 6, 6).clone(), "label": torch.zeros(64)},
        ["image", "mask"],
    ),
}


@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_a_mask_moves_with_its_picture(kind, mode):
    inputs, targets, arrays = MASKED[kind]
    image, mask = (inputs["image"], targets["mask"]) if kind == "names" else (inputs, targets)
    image = torch.stack([mask.float() + channel * 100 for channel in range(3)], 1)  # tells where a pixel came from
    given = ({**inputs, "image": image}, targets) if kind == "names" else (image, targets)
    torch.manual_seed(0)
    for step in (Flip(0.5, arrays), Crop(2, mode, arrays)):
        given = step(*given)
    image, mask_moved = (given[0]["image"], given[1]["mask"]) if kind == "names" else given
    assert mask_moved.dtype == torch.int64
    assert image[:, 0].equal(mask_moved.float())
    assert not mask_moved.equal(mask)


def test_only_what_is_named_is_moved_and_the_draw_is_that_of_pictures_alone():
    inputs, targets, arrays = MASKED["names"]
    torch.manual_seed(0)
    moved, truth = Flip(0.5, arrays)(inputs, targets)
    torch.manual_seed(0)
    alone, _ = Flip(0.5)(inputs["image"], targets["label"])
    assert moved["image"].equal(alone)
    assert moved["other"] is inputs["other"]
    assert truth["label"] is targets["label"]


def test_the_border_of_a_mask_is_the_class_asked_for():
    torch.manual_seed(0)
    mask = torch.ones(32, 6, 6, dtype=torch.long)
    _, moved = Crop(2, arrays=["inputs", "targets"], outside=-100)(torch.rand(32, 1, 6, 6), mask)
    assert moved.unique().tolist() == [-100, 1]


def test_the_same_rectangle_is_erased_in_all_arrays_named():
    torch.manual_seed(0)
    (pair, _) = RandomErasing(1.0, arrays=["left", "right"])(
        {"left": torch.ones(16, 1, 8, 8), "right": torch.ones(16, 3, 8, 8)}, None
    )
    assert pair["left"].expand(-1, 3, -1, -1).equal(pair["right"])
    assert pair["left"].eq(0).any()


def test_an_array_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="arrays has mask; choose from image, targets"):
        Flip(0.5, ["image", "mask"])({"image": torch.rand(2, 1, 4, 4)}, torch.zeros(2))
    with pytest.raises(ValueError, match="arrays must be names"):
        Flip(0.5, [])
