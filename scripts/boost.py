"""Boost a weak learner: each member is a run whose training examples are drawn by what those before it got wrong.

AdaBoost for several classes (SAMME), by resampling. Started again after it was killed, it goes on where it was.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from encore.command import end
from encore.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from encore.results.findings import Findings


def main() -> None:
    """Run the command."""
    wanted = arguments()
    from encore.compose import config_from
    from encore.config import has_test, without_test

    cfg = config_from(wanted.settings)
    if cfg["data"]["bootstrap"] is not None:
        raise ConfigError("data.bootstrap is each member's own here: leave it out")
    if not has_test(cfg):
        raise ConfigError(f"this learner {without_test(cfg)}")
    if cfg["fresh"]:
        raise ConfigError("fresh=true would run all members again at each start: --out and runs_dir name new folders")
    # torch only from here: a mistake is answered at once
    from encore.fingerprint import fingerprint
    from encore.record.lock import held
    from encore.results.findings import claim, kept_in

    with kept_in(wanted.out), held(wanted.out):
        claim(wanted.out, "boosting", fingerprint(cfg))
        boost(wanted.settings, cfg, wanted.members, wanted.out).conclude(wanted.out)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="as for train.py, such as experiment=digits_weak"
    )
    parser.add_argument("--members", type=int, default=50, metavar="N", help="how many, at most (50)")
    parser.add_argument("--out", type=Path, default=Path("boosting"), help="folder to write (boosting)")
    wanted = parser.parse_intermixed_args()
    if wanted.members < 1:
        raise ConfigError(f"--members {wanted.members}: at least 1")
    return wanted


def boost(words: Sequence[str], cfg: dict, count: int, out: Path) -> "Findings":
    """Fit the members one after another.

    Args:
        words: the settings that they share.
        cfg: the config that these make.
        count: of the members, at most.
        out: folder for the weights.

    Raises:
        ConfigError: the first one is no weak learner.
        EncoreError: what stopped a run.
    """
    from encore.ensembles.boosting import Member, boosted, reweighted, say_of, weighted_error
    from encore.ensembles.predictions import predict

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
            notes = [f"Member {number} is left out, and none comes after it: {problem}."]
            break
        print(f"member {number}: weighted error {error:.4f}, say {say:.4f}", flush=True)
        members.append(Member(folder, error, say, chosen))
        weights[train.indices] = reweighted(share, wrong, say)
    print()
    return boosted(members, found, words, notes)


def even_weights(cfg: dict) -> "np.ndarray":
    """Weights of the source's examples, [n]: those for training all alike, the others none."""
    import numpy as np

    from encore.data.module import DataModule

    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    data.setup()
    weights = np.zeros(len(data.source.targets))
    weights[data.pool.numpy()] = 1 / len(data.pool)
    return weights


def kept(file: Path, weights: "np.ndarray") -> Path:
    """Write weights where none are; those that runs refer to are never changed.

    Raises:
        ConfigError: there are others.
    """
    import numpy as np

    from encore.record.files import replace

    packed = io.BytesIO()
    np.save(packed, weights)
    if not file.exists():
        replace(file, packed.getvalue())
    elif file.read_bytes() != packed.getvalue():
        raise ConfigError(f"{file} is of another boosting, or of other code: --out names a new folder")
    return file


def run_of(words: Sequence[str], number: int, weights: Path) -> Path:
    """Train a member, or find it finished; returns its folder. What it says is in its train.log."""
    from encore.compose import config_from, literal
    from encore.runner import execute

    path = literal(str(weights.resolve()))  # found from anywhere; the run is named by its contents
    cfg = config_from([*words, f"data.bootstrap={number}", f"data.weights.path={path}"])
    return execute(cfg, silent=True).folder


if __name__ == "__main__":
    end(main)
