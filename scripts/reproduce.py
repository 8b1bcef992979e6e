"""Run a finished run again, from its record alone, and compare the two bit for bit."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from encore import fingerprint
from encore.command import end
from encore.data.files import check_unchanged
from encore.errors import ConfigError, Diverged, InputError, Interrupted, NotReproduced, Preempted
from encore.record.files import sha256
from encore.record.record import run_name
from encore.trust import recorded_config

# What the second run's process does; the recorded code may be older than this script.
PROGRAM = """
import sys, yaml
from encore.errors import EncoreError
from encore.runner import execute
try:
    print(execute(yaml.safe_load(sys.stdin)).folder.resolve())
except EncoreError as problem:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(problem.code)
"""


def main() -> int:
    """Run the command; the last line it prints is the verdict."""
    wanted = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(Preempted.code))  # and clean up on the way
    try:
        return verdict(wanted)
    except InputError as problem:
        return say(f"CANNOT CHECK: {problem}", InputError.code)
    except NotReproduced as problem:
        return say(f"NOT REPRODUCED: {problem}", NotReproduced.code)
    except KeyboardInterrupt:
        return say("CANNOT CHECK: interrupted", Interrupted.code)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        return say(f"CANNOT CHECK: the record in {wanted.run} is damaged: {problem!r}", InputError.code)


def say(words: str, code: int) -> int:
    """Print what may hold a stranger's words, without what would steer the terminal; returns the code."""
    print("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in words), flush=True)
    return code


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
    if wanted.out and wanted.out.exists() and any(wanted.out.iterdir()):
        raise ConfigError(f"--out={wanted.out} is not empty: name a new folder")
    if wanted.data_dir:
        cfg["data_dir"] = str(wanted.data_dir)
    check_unchanged(held["data"]["files"], cfg)
    if fingerprint.hash_of(fingerprint.essential(cfg)) != held["config_sha256"]:
        raise InputError(f"{wanted.run / 'config.yaml'} was changed after the run")
    changed = changed_code(held["code"]["digests"], cfg)
    if changed and not wanted.run_recorded_code:
        raise InputError(
            f"the code has changed since: {', '.join(changed)}\n"
            "--run-recorded-code runs the code that the record holds; it may be a stranger's, so look at it first"
        )
    tell_environment(held["environment"])
    with tempfile.TemporaryDirectory() as scratch:
        code = recorded_code(held, Path(scratch)) if changed else None
        out = wanted.out or Path(scratch) / "runs"
        say(f"running {run_name(cfg)}, seed {cfg['seed']}, again", 0)
        again = run_again(cfg, out, held["environment"]["variables"], code)
        return compare(wanted, again)


def changed_code(recorded: dict[str, str], cfg: dict) -> list[str]:
    """The source files that are not what they were."""
    here = fingerprint.code(fingerprint.essential(cfg))
    return sorted(name for name in recorded.keys() | here.keys() if recorded.get(name) != here.get(name))


def tell_environment(recorded: dict) -> None:
    """Say before the run what is not as recorded; threads and switches are set as they were."""
    from encore.record.environment import differences, environment

    here = environment(with_gpus=bool(recorded["gpus"]))
    given = ("packages", "python", "os", "libc", "cpu", "libraries", "gpus", "driver", "cuda", "hip", "cudnn")
    found = differences(*({name: place[name] for name in given} for place in (recorded, here)))
    if found:
        say("\n  ".join(["the environment is not as recorded:", *found]), 0)


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
        InputError: it cannot be run here, or was stopped.
        NotReproduced: it diverged.
    """
    from encore.record.environment import NUMERIC

    cfg = {**cfg, "runs_dir": str(out.resolve()), "fresh": True}
    settings = {name: value for name, value in os.environ.items() if name not in NUMERIC}
    settings |= {name: value for name, value in variables.items() if name in NUMERIC and len(value) < 100}
    settings["PYTHONPATH"] = os.pathsep.join([str(code), str(code.parent)] if code else sys.path)
    # Not from the folder where it is called: that may be the stranger's.
    command = [sys.executable, "-P", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings) as process:
        try:
            said, _ = process.communicate(yaml.safe_dump(cfg, sort_keys=False))
        except BaseException:
            process.kill()
            raise
    if process.returncode == Diverged.code:
        raise NotReproduced("it diverged")
    if process.returncode:
        raise InputError(f"the second run ended with exit code {process.returncode}")
    return Path(said.splitlines()[-1])


def compare(wanted: argparse.Namespace, again: Path) -> int:
    """Compare the two runs; print what differs, and the verdict."""
    from encore.record import verification

    found = verification.compare(wanted.run, again)
    if found.same:
        return say(f"REPRODUCED bit for bit: {found.counts}", 0)
    if found.environment:
        say("\n  ".join(["possible causes:", *found.environment]), 0)
    if wanted.tolerance is not None and found.relative <= wanted.tolerance:
        return say(f"REPRODUCED within {found.within:.0e}: {found.words}", 0)
    near = f" (--tolerance {found.within:.0e} would accept it)" if found.relative < 1e-2 else ""
    return say(f"NOT REPRODUCED: {found.words}{near}", NotReproduced.code)


if __name__ == "__main__":
    end(main)
