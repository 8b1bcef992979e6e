import pytest
import torch

from encore.data.normalize import fit
from encore.data.sources import ArraySource
from encore.errors import ConfigError


def source(inputs):
    return ArraySource(inputs, torch.zeros(len(inputs), dtype=torch.long))


TABLE = torch.tensor([[73.0, 80, 75], [93, 88, 93], [89, 91, 90], [96, 98, 100], [73, 66, 70]])
PICTURES = torch.randint(256, (50, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ALL = torch.arange(50)


def test_a_table_is_standardised_by_column_with_the_sample_deviation():
    normalize = fit("standardize", source(TABLE), torch.arange(5), (3,))
    expected = (TABLE - TABLE.mean(0)) / TABLE.std(0)
    torch.testing.assert_close(normalize(TABLE), expected, rtol=1e-5, atol=1e-5)
    # published for these scores, to four digits
    assert normalize(TABLE)[0].tolist() == pytest.approx([-1.0674, -0.3758, -0.8398], abs=5e-5)


def test_pictures_are_standardised_by_channel():
    normalized = fit("standardize", source(PICTURES), ALL, (3, 4, 4))(PICTURES)
    assert normalized.dtype == torch.float32
    assert normalized.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert normalized.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_minmax_goes_from_0_to_1():
    normalized = fit("minmax", source(TABLE), torch.arange(5), (3,))(TABLE)
    assert normalized.amin(0).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert normalized.amax(0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_none_leaves_floats_alone_and_reads_bytes_as_0_to_1():
    assert fit("none", source(TABLE), torch.arange(5), (3,))(TABLE).equal(TABLE)
    torch.testing.assert_close(fit("none", source(PICTURES), ALL, (3, 4, 4))(PICTURES), PICTURES / 255)


def test_constants_are_taken_as_given():
    normalize = fit({"mean": [0.5], "std": [0.25]}, source(PICTURES), ALL, (3, 4, 4))
    torch.testing.assert_close(normalize(PICTURES), (PICTURES / 255 - 0.5) / 0.25)


def test_constants_of_the_wrong_number_are_refused():
    with pytest.raises(ConfigError, match="2 values; the data have 3 channels"):
        fit({"mean": [0.5, 0.5], "std": [1.0, 1.0]}, source(PICTURES), ALL, (3, 4, 4))


@pytest.mark.parametrize("norm", ["standardize", "minmax"])
def test_only_training_examples_are_read(norm):
    changed = PICTURES.clone()
    changed[25:] = 255
    train = torch.arange(25)
    first, second = (fit(norm, source(inputs), train, (3, 4, 4)) for inputs in (PICTURES, changed))
    assert first.scale.equal(second.scale)
    assert first.center.equal(second.center)


def test_a_constant_column_of_bytes_is_not_blown_up():
    table = torch.arange(256, dtype=torch.uint8).repeat(511, 1)
    assert fit("standardize", source(table), torch.arange(511), (256,)).scale.max() <= 1


def test_a_constant_column_stays_finite():
    table = torch.tensor([[1.0, 5.0], [2.0, 5.0]])
    for norm in ("standardize", "minmax"):
        assert fit(norm, source(table), torch.arange(2), (2,))(table)[:, 1].tolist() == [0, 0]
