"""The largest eigenvalue of a symmetric matrix of which only products with vectors are known: power iteration."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor
from tqdm import tqdm

Product = Callable[[Tensor], Tensor]  # of the matrix and a vector [n]


@dataclass(frozen=True)
class Eigenvalue:
    """What power iteration found (von Mises & Pollaczek-Geiringer 1929).

    Attributes:
        value: the Rayleigh quotient at the end: a lower bound of the largest eigenvalue, even before convergence.
        residual: ‖Av − λv‖ / ‖Av‖ of the last iterate; an eigenvalue lies at most that far away, usually nearer.
        products: number of products used.
        converged: whether the residual came down to the tolerance.
        negative: the negative eigenvalue that is the largest in magnitude; None where a positive one is.
    """

    value: float
    residual: float
    products: int
    converged: bool
    negative: float | None = None


def largest(product: Product, start: Tensor, tolerance: float, most: int) -> Eigenvalue:
    """Find the largest eigenvalue, not the largest in magnitude.

    Power iteration converges to the latter. If that is negative, or two of opposite signs tie, so that it does not
    converge, it is restarted with that magnitude times the identity added: then no eigenvalue is negative.

    Args:
        product: multiplies the matrix by a vector.
        start: a random vector [n].
        tolerance: for the residual.
        most: maximum number of products per start.

    Raises:
        ArithmeticError: a product is not finite.
    """
    dominant, magnitude = iterated(product, start, tolerance, most)
    if dominant.converged and dominant.value >= 0:
        return dominant
    raised, _ = iterated(lambda vector: product(vector) + magnitude * vector, start, tolerance, most)
    found = replace(raised, value=raised.value - magnitude)
    if not found.converged and dominant.value > found.value:
        found = dominant
    negative = dominant.value if dominant.converged else None
    return replace(found, products=dominant.products + raised.products, negative=negative)


def iterated(product: Product, start: Tensor, tolerance: float, most: int) -> tuple[Eigenvalue, float]:
    """The eigenvalue that is the largest in magnitude, and the magnitude, which is known also where two have it."""
    vector, count = start / start.norm(), 0
    with tqdm(desc="power iteration", total=most, unit=" products", leave=False, disable=None, delay=1) as bar:
        while True:
            image, count = product(vector), count + 1
            value, magnitude = float(vector @ image), float(image.norm())
            if not math.isfinite(magnitude):
                raise ArithmeticError("its product with a vector is not finite")
            residual = float((image - value * vector).norm()) / magnitude if magnitude else 0.0
            if residual <= tolerance or count == most:
                return Eigenvalue(value, residual, count, residual <= tolerance), magnitude
            vector = image / magnitude
            bar.update()
