"""A recorded run done again: with the code that it ran, in a process of its own; without torch in this one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from encore.errors import Diverged, InputError, NotReproduced
from encore.files import sha256
from encore.provenance.closure import reading_of
from encore.provenance.modules import ENGINE
from encore.provenance.undeclared import now
from encore.provenance.variables import NUMERIC

# What the second run's process executes; the recorded code may be older than this script.
PROGRAM = """
import sys, yaml
from pathlib import Path
from encore.errors import EncoreError
try:
    from encore.runner.execute import execute
except ImportError:  # of an earlier version
    from encore.runner import execute
told = Path(sys.argv[1])
try:
    folder = execute(yaml.safe_load(sys.stdin)).folder.resolve()
    told.write_text(str(folder), encoding="utf-8")
except EncoreError as problem:
    print(f"error: {problem}", file=sys.stderr)
    told.write_text(str(problem), encoding="utf-8", errors="backslashreplace")
    sys.exit(problem.code)
"""


def recorded_code(held: dict, scratch: Path) -> Path:
    """Extract the recorded code into its own folder.

    Raises:
        InputError: it cannot be restored.
    """
    from encore.provenance.rebuild import rebuild

    source = rebuild(held["code"], scratch / "code")
    for name, expected in held["code"]["digests"].items():
        if digest_in(source, name, held["code"]) != expected:
            raise InputError(f"the recorded code is not the code that ran: {name} differs")
    return source


def digest_in(source: Path, name: str, code: dict) -> str | None:
    """The digest of a module in the restored code; None if it is not there."""
    if "packages" not in code:  # of an earlier version: the engine's files by their paths, a user's by `_target_`
        file = source / "encore" / name
        expected = code["digests"][name] if not name.endswith(".py") else None
        return sha256(file) if file.is_file() else expected
    if "engine" in code and name.partition(".")[0] == ENGINE:  # an installed package, not part of the record
        return now(name)
    path = Path(name) if "/" in name or name.endswith(".py") else Path(*name.split("."))
    for place in (source, source.parent):
        for file in (place / path, place / f"{path}.py", place / path / "__init__.py"):
            if file.is_file():
                return reading_of(file).digest
    return None


def run_again(cfg: dict, out: Path, variables: dict[str, str], code: Path | None) -> Path:
    """Repeat the run in a separate process; returns its folder.

    Raises:
        InputError: it cannot be run here, or was stopped.
        NotReproduced: it diverged.
    """
    cfg = {**cfg, "runs_dir": str(out.resolve()), "fresh": True, "logger": own_loggers(cfg)}
    settings = {name: value for name, value in os.environ.items() if name not in NUMERIC}
    settings |= {name: value for name, value in variables.items() if name in NUMERIC and len(value) < 100}
    settings["ENCORE_OFFLINE"] = "1"  # the record may be a stranger's: what is missing is fetched by the user alone
    settings["PYTHONPATH"] = os.pathsep.join([str(code), str(code.parent)] if code else sys.path)
    # Not from the current folder: it may be untrusted.
    with tempfile.TemporaryDirectory() as scratch:
        # Its folder, or what ended it, is passed in a file: anything may follow on standard output.
        told = Path(scratch) / "folder"
        command = [sys.executable, "-P", "-c", PROGRAM, str(told)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8", env=settings
        ) as process:
            try:
                process.communicate(yaml.safe_dump(cfg, sort_keys=False))
            except BaseException:
                process.kill()
                raise
        if process.returncode == Diverged.code:
            raise NotReproduced("it diverged")
        if process.returncode:
            said = told.read_text(encoding="utf-8").partition("\n")[0] if told.exists() else ""
            raise InputError(f"the second run ended with exit code {process.returncode}{said and f': {said}'}")
        return Path(told.read_text(encoding="utf-8"))


def own_loggers(cfg: dict) -> dict:
    """Loggers that write only to the run's folder, so that no tracking service gets a second run."""
    kept = {
        name: recipe for name, recipe in cfg["logger"].items() if recipe and recipe["_target_"].startswith("encore.")
    }
    return kept or {"csv": {"_target_": "encore.loggers.metrics_csv.MetricsCSV"}}  # some callbacks need one
