"""What TensorBoard is shown, computed without its own slower ways: the same files and figures."""

import io

import numpy as np
import pytest
from PIL import Image
from torch.utils.tensorboard.summary import compute_curve, make_histogram

from encore.loggers.showing import THRESHOLDS, curve, histogram, png, table

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (3, 4, 1), (3, 4, 2), (3, 4, 4), (200, 300, 3)])
def test_a_picture_s_file_holds_the_picture(shape):
    picture = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    held = Image.open(io.BytesIO(png(picture)))
    held.load()
    assert held.format == "PNG"
    assert np.array_equal(np.asarray(held).reshape(shape), picture)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 3)), np.zeros((2, 2, 3), np.uint16), np.zeros((2, 0, 3), np.uint8)])
def test_what_is_no_bytes_is_no_picture(wrong):
    with pytest.raises(ValueError, match="a picture is uint8"):
        png(wrong)


def test_values_that_are_alike_and_large_and_probabilities_past_1_are_shown():
    assert sum(histogram(np.full(3, 1e17))["bucket_counts"]) == 3
    assert curve(np.array([True]), np.array([1.5]))["true_positive_counts"][-1] == 1


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=5000),
        np.zeros(7),
        np.array([3.0]),
        *(RANDOM.normal(size=90) * size for size in (1e30, 1e-40)),
    ],
    ids=["normal", "all alike", "one", "large", "small"],
)
def test_a_histogram_counts_as_tensorboard_s_own(values):
    mine, theirs = histogram(values), make_histogram(values, 30)
    for name in ("min", "max", "num", "sum", "sum_squares"):
        assert mine[name] == pytest.approx(getattr(theirs, name))
    counts = dict(zip(mine["bucket_limits"], mine["bucket_counts"], strict=True))
    assert sum(counts.values()) == len(values)
    for limit, count in zip(theirs.bucket_limit, theirs.bucket, strict=True):
        assert min(counts, key=lambda each: abs(each - limit)) == pytest.approx(limit)
        assert counts[min(counts, key=lambda each: abs(each - limit))] == pytest.approx(count, abs=1)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_precision_recall_curve_is_tensorboard_s_own(share):
    belongs, probabilities = RANDOM.random(500) < share, RANDOM.random(500)
    probabilities[:2] = 0, 1
    found = np.stack(list(curve(belongs, probabilities).values()))
    assert np.array_equal(found, compute_curve(belongs, probabilities, THRESHOLDS))


def test_points_are_lines_divided_by_tabs():
    assert table("%.4g", np.array([[1.0, 2.34567], [-3e10, 0.0]])) == "1\t2.346\n-3e+10\t0"
