"""Boost a weak learner: each member is a run trained on a resample that favours what earlier members got wrong.

Multi-class AdaBoost (SAMME) by resampling. After an interruption, the same command continues where it stopped.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from encore.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from encore.analysis.results.findings import Findings


def main() -> None:
    wanted = arguments()
    from encore.config.compose import config_from
    from encore.config.facts import has_test, without_test

    cfg = config_from(wanted.settings)
    if cfg["data"]["bootstrap"] is not None:
        raise ConfigError("boosting sets data.bootstrap for each member itself: leave it out")
    if not has_test(cfg):
        raise ConfigError(f"this learner {without_test(cfg)}")
    if cfg["fresh"]:
        raise ConfigError(
            "fresh=true would repeat all members at every start: choose new folders with --out and runs_dir instead"
        )
    # torch is imported only now, so that mistakes are reported at once
    from encore.analysis.results.findings import claimed
    from encore.provenance.fingerprint import fingerprint

    with claimed(wanted.out, "boosting", fingerprint(cfg)):
        boost(wanted.settings, cfg, wanted.members, wanted.out).conclude(wanted.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="as for train.py, such as experiment=digits_weak"
    )
    parser.add_argument("--members", type=int, default=50, metavar="N", help="maximum number of members (50)")
    parser.add_argument("--out", type=Path, default=Path("boosting"), help="folder to write (boosting)")
    wanted = parser.parse_intermixed_args()
    if wanted.members < 1:
        raise ConfigError(f"--members {wanted.members}: at least 1")
    return wanted


def boost(words: Sequence[str], cfg: dict, count: int, out: Path) -> "Findings":
    """Fit the members one after another.

    Args:
        words: the settings they share.
        cfg: the config composed from them.
        count: maximum number of members.
        out: folder for the example weights.

    Raises:
        ConfigError: the first member is not a weak learner.
        EncoreError: what stopped a run.
    """
    from encore.analysis.ensembles.boosting import Member, boosted, reweighted, say_of, weighted_error
    from encore.analysis.ensembles.predictions import predict

    weights, notes = even_weights(cfg), []
    members: list[Member] = []
    for number in range(1, count + 1):
        file = kept(out / f"weights-{number}.npy", weights)
        folder = run_of(words, number, file)
        found = {split: predict(folder, split, file) for split in ("train", "test")}
        chosen = {split: one.probabilities.argmax(1) for split, one in found.items()}
        train = found["train"]
        wrong, share = chosen["train"] != train.targets, weights[train.indices]
        error = weighted_error(share, wrong)
        try:
            say = say_of(error, train.probabilities.shape[1])
        except ValueError as problem:
            if not members:
                raise ConfigError(f"this learner cannot be boosted: {problem}") from problem
            notes = [f"Member {number} is left out, and boosting ends there: {problem}."]
            break
        print(f"member {number}: weighted error {error:.4f}, say {say:.4f}", flush=True)
        members.append(Member(folder, error, say, chosen))
        weights[train.indices] = reweighted(share, wrong, say)
    print()
    return boosted(members, found, words, notes)


def even_weights(cfg: dict) -> "np.ndarray":
    """Weights of the source's examples, [n]: equal for training examples, 0 for all others."""
    import numpy as np

    from encore.data.module import DataModule

    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    data.setup()
    weights = np.zeros(len(data.source.targets))
    weights[data.pool.numpy()] = 1 / len(data.pool)
    return weights


def kept(file: Path, weights: "np.ndarray") -> Path:
    """Write the weights unless the file exists; a file that runs refer to is never changed.

    Raises:
        ConfigError: the file holds other weights.
    """
    import numpy as np

    from encore.files import replace

    packed = io.BytesIO()
    np.save(packed, weights)
    if not file.exists():
        replace(file, packed.getvalue())
    elif file.read_bytes() != packed.getvalue():
        raise ConfigError(f"{file} comes from another boosting, or from different code: choose a new folder with --out")
    return file


def run_of(words: Sequence[str], number: int, weights: Path) -> Path:
    """Train a member unless it is finished, and return its folder; its output goes to its train.log."""
    from encore.config.compose import config_from, literal
    from encore.runner.execute import execute

    path = literal(str(weights.resolve()))  # found from anywhere; the run is named by its contents
    cfg = config_from([*words, f"data.bootstrap={number}", f"data.weights.path={path}"])
    return execute(cfg, silent=True).folder
