"""The scores that a finished run, or a method without a net, gives to pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from course.anomaly import baselines
from course.anomaly.task import OneClass
from encore.analysis.ensembles.predictions import outputs
from encore.config.facts import has_test, has_validation, without_test
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST
from encore.runner.parts import Parts
from encore.runner.restored_run import restored_run


@dataclass(frozen=True)
class Scored:
    """Scores, the greater the less normal, and what a threshold makes of them.

    Attributes:
        test: of the test pictures, [n].
        anomalous: whether each is an anomaly, bool [n].
        threshold: a quantile of the validation pictures' scores, which are all normal.
        auroc: the probability that an anomaly has a greater score than a normal picture.
        false_alarms: share of the normal test pictures above the threshold.
        detected: share of the anomalies above it.
    """

    test: np.ndarray
    anomalous: np.ndarray
    threshold: float
    auroc: float
    false_alarms: float
    detected: float


def judged(val: np.ndarray, test: np.ndarray, anomalous: np.ndarray, quantile: float) -> Scored:
    """Choose the threshold by scores of normal pictures [m], and see what it does to the test pictures."""
    threshold = float(np.quantile(val, quantile))
    alarm = test > threshold
    return Scored(
        test,
        anomalous,
        threshold,
        float(roc_auc_score(anomalous, test)),
        float(alarm[~anomalous].mean()),
        float(alarm[anomalous].mean()),
    )


@contextmanager
def opened(folder: Path) -> Iterator[Parts]:
    """The parts of a run of task=one_class that has validation and test pictures.

    Raises:
        InputError: it is no such run, or cannot be used.
    """
    cfg = recorded_config(folder)
    if cfg["task"].get("_target_") != f"{OneClass.__module__}.{OneClass.__qualname__}" or "normal" not in cfg["data"]:
        raise InputError(f"{folder} is no run of task=one_class on data with a normal class, such as one_class_mnist")
    if not has_test(cfg):
        raise InputError(f"{folder} {without_test(cfg)}")
    if not has_validation(cfg):
        raise InputError(
            f"{folder} has no validation pictures to choose a threshold by: data.val_fraction holds some out"
        )
    with restored_run(folder, cfg, BEST) as parts:
        targets = parts.data.opened_test().targets[parts.data.test_indices]
        if not 0 < int(targets.sum()) < len(targets):
            raise InputError(f"{folder}: its test set does not hold both normal pictures and anomalies")
        yield parts


def of_run(folder: Path, quantile: float) -> Scored:
    """Score the validation and test pictures with a run's best weights.

    Raises:
        InputError: as `opened`, or a score is not finite.
    """
    with opened(folder) as parts:
        data, test = parts.data, parts.data.opened_test()
        val = outputs(parts, data.source, data.split.val)[:, 0].double().numpy()
        of_test = outputs(parts, test, data.test_indices)[:, 0].double().numpy()
        anomalous = test.targets[data.test_indices].bool().numpy()
    if not (np.isfinite(val).all() and np.isfinite(of_test).all()):
        raise InputError(f"{folder} gives scores that are not finite")
    return judged(val, of_test, anomalous, quantile)


def of_baselines(folder: Path, seeds: list[int], quantile: float) -> dict[str, list[Scored]]:
    """Fit the methods without a net to a run's training pictures; one that draws by a seed once for each."""
    with opened(folder) as parts:
        data, test = parts.data, parts.data.opened_test()
        train, val = (flat(parts, indices) for indices in (data.split.train, data.split.val))
        pictures = data.normalize(test.read(data.test_indices.tolist())).flatten(1).numpy()
        anomalous = test.targets[data.test_indices].bool().numpy()
    found: dict[str, list[Scored]] = {}
    for name in baselines.BASELINES:
        for seed in seeds if name in baselines.SEEDED else seeds[:1]:
            score = baselines.fitted(name, seed, train)
            found.setdefault(name, []).append(judged(score(val), score(pictures), anomalous, quantile))
    return found


def flat(parts: Parts, indices: Tensor) -> np.ndarray:
    """Normalised pictures of the training source, float32 [n, pixels]."""
    return parts.data.normalize(parts.data.source.read(indices.tolist())).flatten(1).numpy()


def drawn_again(folder: Path, places: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Some test pictures [n, h, w], normalised; and what the net draws of them, None where it draws nothing.

    Args:
        folder: the run's.
        places: among the test pictures.
    """
    with opened(folder) as parts, torch.inference_mode():
        data = parts.data
        chosen = data.normalize(data.opened_test().read(data.test_indices[places].tolist()))
        net = parts.task.net
        assert isinstance(net, torch.nn.Module)
        again = net.reconstruct(chosen.to(parts.task.device)).cpu() if hasattr(net, "reconstruct") else None  # type: ignore[operator]
    shape = (len(chosen), -1, chosen.shape[-1])
    return chosen.reshape(shape).numpy(), None if again is None else again.reshape(shape).numpy()
