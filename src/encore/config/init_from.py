"""What `init_from` and `continue_from` name: a file of weights or a run's best ones, and a run's checkpoints."""

from glob import escape
from pathlib import Path

from encore.config.named_runs import FREED, RESULT, the_one
from encore.errors import InputError

BEST, LAST = Path("checkpoints/best.ckpt"), Path("checkpoints/last.ckpt")  # of a run
SHOWN = 3  # folders in a message


def weights_file(named: str, runs_dir: str = "runs") -> str:
    """The file that is read.

    Args:
        named: a file, or a run's folder, or the beginning of its path, name or fingerprint if no other run's begins so.
        runs_dir: where runs are that are named by less than their path.

    Raises:
        InputError: there is no such file or run, or there are several.
    """
    if Path(named).is_file():
        return named
    run = run_of("init_from", named, runs_dir, "a checkpoint or a file of weights; nothing is fetched")
    if not (file := run / BEST).is_file():
        raise InputError(f"init_from={named}: {run} has no {BEST}; {why_not(run)}")
    return str(file)


def checkpoints_of(named: str, runs_dir: str = "runs") -> str:
    """The folder of checkpoints of the run that `continue_from` names; or that folder itself, as configs record it.

    Raises:
        InputError: there is no such run, or there are several, or it has no checkpoint.
    """
    run = Path(named).parent if Path(named).name == LAST.parent.name else None
    if run is None or not is_run(run):
        run = run_of("continue_from", named, runs_dir)
    if not (run / LAST).is_file():
        raise InputError(f"continue_from={named}: {run} has no {LAST}; {why_not(run)}")
    return str(run / LAST.parent)


def run_of(setting: str, named: str, runs_dir: str, or_else: str = "") -> Path:
    """The folder of the run that a setting names.

    Raises:
        InputError: there is no such run, or there are several.
    """
    place = Path(named)
    found = [place] if is_run(place) else beginning(place)
    if not found and not place.exists() and (only := the_one(named, Path(runs_dir))) is not None:
        found = [only]
    if not found:
        what = f"is no {'file and no ' * bool(or_else)}run's folder" if place.exists() else "is not there"
        more = f", {or_else}" if or_else else ""
        raise InputError(f"{setting}={named} {what}: name a run (its folder, or the beginning of that){more}")
    if len(found) > 1:
        shown = ", ".join(run.name for run in found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
        raise InputError(f"{setting}={named} is the beginning of {len(found)} runs ({shown}): name one")
    return found[0]


def why_not(run: Path) -> str:
    """Why a run has no checkpoint."""
    if (run / FREED).exists():
        return "its checkpoints were freed"
    return "only a run with callbacks.checkpoint has it"


def is_run(folder: Path) -> bool:
    return (folder / RESULT).is_file()


def beginning(place: Path) -> list[Path]:
    """The runs whose folders' paths begin so, the folder of their settings left out or not."""
    if not place.name:
        return []
    begun = f"{escape(place.name)}*"
    return [folder for way in (begun, f"*/{begun}") for folder in sorted(place.parent.glob(way)) if is_run(folder)]
