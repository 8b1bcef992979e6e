"""Run a finished run again, from its record alone, and compare the two bit for bit."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from encore import fingerprint
from encore.command import end
from encore.data.files import files
from encore.errors import ConfigError, Diverged, InputError, NotReproduced
from encore.record.files import sha256
from encore.trust import recorded_config

# What the second run's process does; the recorded code may be older than this script.
PROGRAM = """
import json, sys
from encore.errors import EncoreError
from encore.runner import execute
try:
    execute(json.load(sys.stdin))
except EncoreError as problem:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(problem.code)
"""


def main() -> int:
    """Run the command; the last line it prints is the verdict."""
    wanted = arguments()
    try:
        return verdict(wanted)
    except InputError as problem:
        print(f"CANNOT CHECK: {problem}")
        return InputError.code
    except NotReproduced as problem:
        print(f"NOT REPRODUCED: {problem}")
        return NotReproduced.code


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("--data-dir", type=Path, help="where the data are, if not where they were")
    parser.add_argument("--tolerance", type=float, help="relative difference that is good enough, such as 1e-6")
    parser.add_argument(
        "--run-recorded-code",
        action="store_true",
        help="where the code has changed since, run what the record holds: it may be a stranger's",
    )
    parser.add_argument("--out", type=Path, help="keep the second run in this folder")
    return parser.parse_args()


def verdict(wanted: argparse.Namespace) -> int:
    """Check, run again, compare, and say what came out.

    Raises:
        InputError: it cannot be checked.
    """
    # torch only from here: a wrong folder is answered at once
    from encore.record import manifest

    held = manifest.read(wanted.run)
    if held["status"] != "finished":
        raise InputError(f"{wanted.run} is {held['status']}, not finished")
    cfg = recorded_config(wanted.run)
    if fingerprint.hash_of(cfg) != held["config_sha256"]:
        raise InputError(f"{wanted.run / 'config.yaml'} was changed after the run")
    if wanted.data_dir:
        cfg["data_dir"] = str(wanted.data_dir)
    check_data(held["data"]["files"], cfg)
    changed = changed_code(held["code"]["digests"], cfg)
    if changed and not wanted.run_recorded_code:
        raise InputError(
            f"the code has changed since: {', '.join(changed)}\n"
            "--run-recorded-code runs the code that the record holds; it may be a stranger's, so look at it first"
        )
    with tempfile.TemporaryDirectory() as scratch:
        code = recorded_code(held, Path(scratch)) if changed else None
        out = wanted.out or Path(scratch) / "runs"
        print(
            f"running {cfg['data']['name']}, {cfg['model']['name']}, {cfg['optim']['name']}, seed {cfg['seed']} again"
        )
        again = run_again(cfg, out, held["environment"]["variables"], code)
        return compare(wanted, again)


def check_data(recorded: dict[str, dict], cfg: dict) -> None:
    """Raise InputError if a file of the data is not what it was."""
    here = files(cfg["data"], cfg["data_dir"])
    for name, entry in recorded.items():
        if name not in here:
            raise InputError(f"{name} of data={cfg['data']['name']} is missing from {cfg['data_dir']}")
        if (actual := sha256(here[name])) != entry["sha256"]:
            raise InputError(
                f"{here[name]} is not what it was: its SHA-256 is {actual}, recorded was {entry['sha256']}"
            )


def changed_code(recorded: dict[str, str], cfg: dict) -> list[str]:
    """The source files that are not what they were."""
    here = fingerprint.code(fingerprint.essential(cfg))
    return sorted(name for name in recorded.keys() | here.keys() if recorded.get(name) != here.get(name))


def recorded_code(held: dict, scratch: Path) -> Path:
    """The recorded code in a folder of its own.

    Raises:
        InputError: it cannot be had again.
    """
    from encore.record.rebuild import rebuild

    source = rebuild(held["code"], scratch / "code")
    for name, expected in held["code"]["digests"].items():
        file = source / "encore" / name
        if name.endswith(".py") and (not file.is_file() or sha256(file) != expected):
            raise InputError(f"the record does not hold the code that ran: {name} is another")
    return source


def run_again(cfg: dict, out: Path, variables: dict[str, str], code: Path | None) -> Path:
    """Do the run anew in a process of its own; returns its folder.

    Raises:
        InputError: it cannot be run here.
        Diverged, NotReproduced: it did not come to its end.
    """
    from encore.record.environment import NUMERIC

    cfg = {**cfg, "runs_dir": str(out.resolve()), "fresh": True, "logger": {}}
    settings = {name: value for name, value in os.environ.items() if name not in NUMERIC}
    settings |= {name: value for name, value in variables.items() if name in NUMERIC}
    if code is not None:
        settings["PYTHONPATH"] = os.pathsep.join([str(code), str(code.parent)])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(cfg),
        text=True,
        env=settings,
        stdout=subprocess.DEVNULL,  # the bar and messages go elsewhere
        check=False,
    )
    if ended.returncode in (ConfigError.code, InputError.code):
        raise InputError("it cannot be run here")
    if ended.returncode == Diverged.code:
        raise NotReproduced("it diverged")
    if ended.returncode:
        raise NotReproduced(f"it ended with exit code {ended.returncode}")
    return next(out.rglob("result.json")).parent


def compare(wanted: argparse.Namespace, again: Path) -> int:
    """Compare the two runs; print what differs, and the verdict."""
    from encore.record import verification

    found = verification.compare(wanted.run, again)
    if found.same:
        print(f"REPRODUCED bit for bit: {found.counts}")
        return 0
    if found.environment:
        print("the environment differs, which may be why:")
        print("\n".join(f"  {difference}" for difference in found.environment))
    if wanted.tolerance is not None and found.relative <= wanted.tolerance:
        print(f"REPRODUCED within {found.within:.0e}: {found.words}")
        return 0
    near = f" (--tolerance {found.within:.0e} would accept it)" if found.relative < 1e-2 else ""
    print(f"NOT REPRODUCED: {found.words}{near}")
    return NotReproduced.code


if __name__ == "__main__":
    end(main)
