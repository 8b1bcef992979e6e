"""The largest eigenvalue, of matrices whose eigenvalues are known."""

import pytest
import torch

from encore.analysis.sharpness.eigenvalue import largest


def symmetric(eigenvalues, seed=0):
    """The product of a matrix with these eigenvalues, and a vector to start from."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(len(eigenvalues), len(eigenvalues), generator=generator, dtype=torch.float64)
    axes, _ = torch.linalg.qr(square)
    matrix = axes @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ axes.T
    return matrix.matmul, torch.randn(len(eigenvalues), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("eigenvalues", "value", "negative"),
    [
        ([5.0, 4.0, 1.0, 0.0, -2.0], 5, None),
        ([2.0, 1.0, 0.5, 0.0, -7.0], 2, -7),
        ([-1.0, -2.0, -3.0, -4.0, -7.0], -1, -7),
        ([3.0, 1.0, 0.5, 0.0, -3.0], 3, None),
        ([3.0, 3.0, 1.0, 0.0, 0.0], 3, None),
        ([0.0, 0.0, 0.0], 0, None),
    ],
    ids=["positive", "negative", "all negative", "both signs", "twice", "zero"],
)
def test_it_is_the_largest_and_not_the_largest_in_magnitude(eigenvalues, value, negative):
    product, start = symmetric(eigenvalues)
    found = largest(product, start, tolerance=1e-8, most=2000)
    assert found.converged
    assert found.residual <= 1e-8
    assert found.value == pytest.approx(value, abs=1e-10)
    assert found.negative == (None if negative is None else pytest.approx(negative, abs=1e-10))


def test_what_has_not_converged_says_so_and_is_a_lower_bound():
    product, start = symmetric([1.0, 0.999, 0.998, 0.5, -0.3])
    few = largest(product, start, tolerance=1e-8, most=5)
    assert not few.converged
    assert few.residual > 1e-8
    assert few.products == 10  # it has tried with the magnitude added, too
    assert few.value < 1
    assert few.negative is None
    assert largest(product, start, tolerance=1e-8, most=40_000).value == pytest.approx(1)


def test_the_residual_bounds_how_far_an_eigenvalue_is_away():
    product, start = symmetric([5.0, 4.5, 1.0, 0.0, -2.0])
    for tolerance in (0.1, 0.01, 0.001):
        found = largest(product, start, tolerance, most=1000)
        assert 0 <= 5 - found.value <= 5 * tolerance
        assert largest(product, start, tolerance, most=found.products) == found
        assert not largest(product, start, tolerance, most=found.products - 1).converged


def test_what_is_not_finite_is_no_eigenvalue():
    _, start = symmetric([1.0, 0.5])
    with pytest.raises(ArithmeticError, match="not finite"):
        largest(lambda vector: vector * torch.nan, start, tolerance=1e-3, most=10)
