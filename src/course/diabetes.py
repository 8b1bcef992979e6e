"""442 diabetes patients (Efron et al. 2004, in scikit-learn's wheel), with two numbers to predict."""

from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_diabetes

TRIGLYCERIDES = "s5"  # the logarithm of their level in the blood


def two_targets() -> SimpleNamespace:
    """Inputs [442, 9]; targets [442, 2]: the disease's progression, 25 to 346, and log triglycerides, 3.3 to 6.1."""
    held = load_diabetes(scaled=False)
    second = held.feature_names.index(TRIGLYCERIDES)
    targets = np.stack([held.target, held.data[:, second]], 1)
    return SimpleNamespace(data=np.delete(held.data, second, 1), targets=targets)
