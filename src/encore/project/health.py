"""Whether this machine and environment are fit for runs; nothing here imports torch."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from encore.config import places
from encore.config.accelerator import apple_gpu, cuda_devices, torch_build
from encore.config.cores import usable_cores
from encore.config.named_runs import runs_dir

OK, WARNING, PROBLEM = "ok", "warning", "problem"
OLDEST = (3, 11)
LITTLE, TOO_LITTLE = 5e9, 2e8  # bytes that are free
LONGEST_RUN = 600  # seconds
SHOWN = 5  # packages in a message
DRIVER = Path("/proc/driver/nvidia/version")
SYNC = "uv pip sync --python {python} --require-hashes --compile-bytecode requirements.lock, or make train, installs it"


@dataclass(frozen=True)
class Finding:
    """What was found: `ok`, or a `warning` or `problem` with what mends it."""

    level: str
    words: str
    remedy: str | None = None


def python() -> Iterator[Finding]:
    where = "" if sys.prefix != sys.base_prefix else ", outside a virtual environment"
    words = f"{platform.python_version()} at {sys.executable}{where}"
    if sys.version_info < OLDEST:
        yield Finding(PROBLEM, words, f"Encore needs Python {'.'.join(map(str, OLDEST))} or newer")
    elif where:
        yield Finding(WARNING, words, "python3 -m venv .venv keeps its packages apart from those of other projects")
    else:
        yield Finding(OK, words)


def packages() -> Iterator[Finding]:
    """The installed versions against the lock, or against what Encore's distribution asks for."""
    lock = places.root() / "requirements.lock"
    if lock.is_file():
        wanted, by = list(pinned(lock)), str(lock)
        remedy = SYNC.format(python=sys.executable)
    else:
        wanted, by = list(declared("encore")), "what the encore package asks for"
        remedy = f"uv pip install --python {sys.executable} --upgrade encore installs it"
    here = {each.name: installed(each.name) for each in wanted}
    missing = [each.name for each in wanted if here[each.name] is None]
    others = [
        f"{each.name} {here[each.name]}, not {str(each.specifier).removeprefix('==')}"
        for each in wanted
        if (version := here[each.name]) is not None and not each.specifier.contains(version, prereleases=True)
    ]
    if missing:
        yield Finding(PROBLEM, f"missing: {some(missing)} ({by})", remedy)
    if others:
        yield Finding(WARNING, f"other versions: {some(others)} ({by}): figures can differ", remedy)
    if not missing and not others:
        yield Finding(OK, f"{len(wanted)} packages as in {by}")


def pinned(lock: Path) -> Iterator[Requirement]:
    """What a lock asks for on this machine."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            requirement = Requirement(line.rstrip(" \\").partition(" --hash")[0])
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def declared(distribution: str) -> Iterator[Requirement]:
    """What an installed distribution asks for on this machine, without its extras."""
    for line in metadata.requires(distribution) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def some(words: list[str]) -> str:
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")


def gpu() -> Iterator[Finding]:
    """Whether torch can use the GPUs that there are."""
    if importlib.util.find_spec("torch") is None:
        return
    build = torch_build()
    if (count := cuda_devices()) or apple_gpu():
        yield Finding(OK, f"{count or 1} for torch {build}")
    elif DRIVER.exists():
        remedy = "install a build of torch for CUDA: pytorch.org/get-started"
        if "+cpu" not in build:
            remedy = "nvidia-smi shows whether the driver works; CUDA_VISIBLE_DEVICES may hide the GPU"
        yield Finding(WARNING, f"there is an NVIDIA driver, and torch {build} sees no GPU", remedy)
    else:
        yield Finding(OK, f"none; runs use the processor (torch {build})")


def disk() -> Iterator[Finding]:
    """The room where runs go and where data are."""
    data_dir = Path(os.environ.get("ENCORE_DATA_DIR") or "data")
    for setting, folder in (("runs_dir", runs_dir()), ("data_dir", data_dir)):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        words = f"{free / 1e9:,.1f} GB free for {setting}={folder}"
        if not there.is_dir():
            yield Finding(PROBLEM, f"{setting}={folder}: {there} is a file", f"{setting}=… puts them elsewhere")
        elif not os.access(there, os.W_OK):
            level = PROBLEM if setting == "runs_dir" else OK
            yield Finding(level, f"{setting}={folder} cannot be written", f"{setting}=… puts them elsewhere")
        elif free < LITTLE:
            remedy = f"make room, or {setting}=… elsewhere; encore runs --keep-best 3 frees checkpoints"
            yield Finding(PROBLEM if free < TOO_LITTLE else WARNING, words, remedy)
        else:
            yield Finding(OK, words)


def threads() -> Iterator[Finding]:
    """How many threads a run gets."""
    cores, wanted = usable_cores(), os.environ.get("OMP_NUM_THREADS")
    if wanted is None:
        yield Finding(OK, f"{cores}, one for each core; threads=… sets another number")
    elif not wanted.isdecimal() or not 0 < int(wanted) <= cores:
        remedy = f"unset OMP_NUM_THREADS, or set it to at most {cores}"
        yield Finding(WARNING, f"OMP_NUM_THREADS={wanted}, and this process has {cores} cores", remedy)
    else:
        yield Finding(OK, f"{wanted} of {cores} cores, by OMP_NUM_THREADS")


def git() -> Iterator[Finding]:
    """Whether runs can record the commit of their code."""
    if shutil.which("git") is None:
        yield Finding(WARNING, "not installed: runs record whole source files, not a commit", "install git")
        return
    words = ["git", "-C", str(places.root()), "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if answer.returncode:
        remedy = "git init && git add -A && git commit: then a run's record says how to get its code back"
        yield Finding(WARNING, f"{places.root()} has no commit", remedy)
    else:
        yield Finding(OK, f"runs record commit {answer.stdout.strip()} and the changes to it")


def tensorboard() -> Iterator[Finding]:
    """Whether TensorBoard starts."""
    answer = subprocess.run(
        [sys.executable, "-m", "tensorboard.main", "--version"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or ["it does not start"])[-1]
        yield Finding(PROBLEM, said, f"uv pip install --python {sys.executable} --reinstall tensorboard")
    else:
        yield Finding(OK, f"{answer.stdout.strip()}; make board, or tensorboard --logdir {runs_dir()}")


def run() -> Iterator[Finding]:
    """Whether a run of two steps works, and how long it takes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        words = [sys.executable, "-m", "encore", "train", "debug=fast", f"runs_dir={scratch}"]
        try:
            answer = subprocess.run(
                words, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=LONGEST_RUN
            )
        except subprocess.TimeoutExpired:
            yield Finding(PROBLEM, f"not over after {LONGEST_RUN} s", "encore train debug=fast shows where it stands")
            return
    seconds = time.monotonic() - began
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding(PROBLEM, f"exit code {answer.returncode}: {said}", "encore train debug=fast shows all of it")
    else:
        yield Finding(OK, f"two steps train, validate and test in {seconds:.0f} s")


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "python": python, "packages": packages, "git": git, "gpu": gpu, "threads": threads, "disk": disk,
    "tensorboard": tensorboard, "run": run,
}  # fmt: skip


def examine(names: list[str]) -> Iterator[tuple[str, Finding]]:
    """Each finding as soon as it is made."""
    for name in names:
        try:
            yield from ((name, finding) for finding in CHECKS[name]())
        except (OSError, metadata.PackageNotFoundError, InvalidRequirement) as problem:
            yield name, Finding(PROBLEM, str(problem))
