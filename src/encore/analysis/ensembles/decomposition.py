"""Bias and variance of a classifier over resamples of its training data.

Both decompositions are exact for the given resamples: every expectation is a mean over them. With m of them the
expectation over all possible resamples is overestimated in the bias by a part 1 / m of the variance. Noise in the
targets counts as bias, as there is one target per example.
"""

from dataclasses import dataclass

import numpy as np

from encore.analysis.ensembles.ensemble import average, elected, votes


@dataclass(frozen=True)
class Brier:
    """Of the squared error of probabilities, summed over classes (Brier 1950): expected = bias + variance.

    Attributes:
        expected: mean over resamples and examples.
        bias: the squared error of the mean probabilities.
        variance: the mean squared distance of the probabilities from their mean.
    """

    expected: float
    bias: float
    variance: float


@dataclass(frozen=True)
class ZeroOne:
    """Of the 0–1 loss (Domingos 2000): expected = bias + unbiased - biased.

    Attributes:
        expected: mean over resamples and examples.
        bias: share of examples whose main prediction, the mode over resamples, is wrong.
        unbiased: where it is right, the share of other predictions, which add to the error; mean over all examples.
        biased: where it is wrong, the share of right predictions, which take from it; mean over all examples.
    """

    expected: float
    bias: float
    unbiased: float
    biased: float

    @property
    def variance(self) -> float:
        """What variance adds to the bias in all; below 0 where it corrects more than it spoils."""
        return self.unbiased - self.biased


def brier(probabilities: np.ndarray, targets: np.ndarray) -> Brier:
    """Decompose the Brier score.

    Args:
        probabilities: of each resample, float64 [resamples, n, classes].
        targets: class numbers, [n].
    """
    truth = np.eye(probabilities.shape[-1])[targets]
    mean = average(probabilities)
    return Brier(
        expected=squared(probabilities - truth), bias=squared(mean - truth), variance=squared(probabilities - mean)
    )


def squared(difference: np.ndarray) -> float:
    """The mean over resamples and examples of squares summed over classes."""
    return float((difference**2).sum(-1).mean())


def zero_one(probabilities: np.ndarray, targets: np.ndarray) -> ZeroOne:
    """Decompose the 0–1 loss of the classes with the highest probabilities; arguments as of `brier`.

    Among several modes, the main prediction is the one with the higher mean probability, then the lower class number.
    """
    chosen = probabilities.argmax(-1)
    main = elected(votes(probabilities), average(probabilities))
    wrong = main != targets
    return ZeroOne(
        expected=float((chosen != targets).mean()),
        bias=float(wrong.mean()),
        unbiased=float(((chosen != main).mean(0) * ~wrong).mean()),
        biased=float(((chosen == targets).mean(0) * wrong).mean()),
    )
