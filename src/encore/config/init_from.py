"""The file of weights that `init_from` names: the file itself, or a run's best weights."""

from glob import escape
from pathlib import Path

from encore.config.named_runs import FREED, RESULT, the_one
from encore.errors import InputError

BEST = Path("checkpoints") / "best.ckpt"  # of a run
SHOWN = 3  # folders in a message


def weights_file(named: str, runs_dir: str = "runs") -> str:
    """The file that is read.

    Args:
        named: a file, or a run's folder, or the beginning of its path, name or fingerprint if no other run's begins so.
        runs_dir: where runs are that are named by less than their path.

    Raises:
        InputError: there is no such file or run, or there are several.
    """
    place = Path(named)
    if place.is_file():
        return named
    found = [place] if is_run(place) else beginning(place)
    if not found and not place.exists() and (only := the_one(named, Path(runs_dir))) is not None:
        found = [only]
    if not found:
        what = "is no file and no run's folder" if place.exists() else "is not there"
        raise InputError(
            f"init_from={named} {what}: name a run (its folder, or the beginning of that), a checkpoint or a file of "
            "weights; nothing is fetched"
        )
    if len(found) > 1:
        shown = ", ".join(run.name for run in found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
        raise InputError(f"init_from={named} is the beginning of {len(found)} runs ({shown}): name one")
    if not (file := found[0] / BEST).is_file():
        why = (
            "its checkpoints were freed"
            if (found[0] / FREED).exists()
            else "only a run with callbacks.checkpoint has it"
        )
        raise InputError(f"init_from={named}: {found[0]} has no {BEST}; {why}")
    return str(file)


def is_run(folder: Path) -> bool:
    return (folder / RESULT).is_file()


def beginning(place: Path) -> list[Path]:
    """The runs whose folders' paths begin so, the folder of their settings left out or not."""
    if not place.name:
        return []
    begun = f"{escape(place.name)}*"
    return [folder for way in (begun, f"*/{begun}") for folder in sorted(place.parent.glob(way)) if is_run(folder)]
