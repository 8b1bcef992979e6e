"""Methods without a net, from scikit-learn: each is fitted to normal pictures, and gives any picture a score."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import OneClassSVM

CODE = 32  # numbers, as many as a net's code
# Pictures that a method is fitted to, evenly spaced; scoring by a density takes as long as there are pictures in it.
MOST = {"kernel density": 2000}


def density(pictures: int) -> Pipeline:
    """Kernel density of whitened principal components, by Scott's rule; of few pictures fewer components."""
    components = PCA(max(1, min(CODE, pictures // 2)), whiten=True, random_state=0)
    return make_pipeline(components, KernelDensity(bandwidth="scott", rtol=1e-3))


# By name; each of a seed, which only the forest draws by, and of how many pictures there are.
BASELINES: dict[str, Callable[[int, int], Pipeline]] = {
    # ν as in Ruff et al. (2018)
    "one-class SVM": lambda *_: make_pipeline(PCA(0.95, random_state=0), OneClassSVM(gamma="scale", nu=0.1)),
    "isolation forest": lambda seed, _: make_pipeline(IsolationForest(random_state=seed)),
    "kernel density": lambda _, pictures: density(pictures),
}
SEEDED = ("isolation forest",)


def fitted(name: str, seed: int, normal: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a method to normal pictures, float32 [n, pixels].

    Returns:
        Gives pictures their scores, the greater the less normal.
    """
    some = normal[:: max(1, len(normal) // MOST.get(name, len(normal)))]
    model = BASELINES[name](seed, len(some)).fit(some)
    return lambda pictures: -model.score_samples(pictures)
