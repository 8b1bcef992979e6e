"""Create a new project, completely or not at all."""

import errno
import importlib.util
import json
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from encore.errors import CannotWrite, ConfigError

# Template files end in .in, so that tools do not mistake them for files of this repository.
TEMPLATE = Path(__file__).parent / "template"
SUFFIX = ".in"
# Names beside `src/` that Python would find before a package of the same name.
BESIDE = ("configs", "data", "runs", "scripts", "src", "tests", "train")
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)


def create(target: Path, name: str, engine: str) -> None:
    """Create a project in a new folder, or in one that holds nothing but `.git`.

    Args:
        target: the folder.
        name: the package's name.
        engine: the requirement that installs Encore.

    Raises:
        ConfigError: the name is taken, the folder is not empty, or its parent does not exist.
        CannotWrite: it cannot be written. Whatever is raised, nothing is left behind.
    """
    check_name(name, target)
    check_empty(target)
    # A basic string of TOML has the escapes of JSON.
    values = {"name": name, "engine": engine, "engine_quoted": json.dumps(engine)}
    try:
        # Beside the target: within one file system, moving is atomic.
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=target.parent) as scratch:
            whole = Path(scratch) / name
            fill(whole, values)
            move(whole, target)
    except OSError as problem:
        if problem.errno in OCCUPIED:  # another process was faster
            raise not_empty(target) from problem
        raise CannotWrite(f"{target} cannot be made: {problem}") from problem


def check_name(name: str, target: Path) -> None:
    """Raise ConfigError if a package cannot have this name."""
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?", name) or keyword.iskeyword(name):
        raise ConfigError(f"--name {name}: a package name has letters, digits and _ only, and starts with a letter")
    if name in sys.stdlib_module_names or name in BESIDE or is_taken(name, target):
        raise ConfigError(f"--name {name}: Python already has a module of that name; choose another with --name")


def is_taken(name: str, target: Path) -> bool:
    """Whether this name can already be imported, other than from the target folder itself."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return False
    return spec.origin is not None or any(Path(place) != target for place in spec.submodule_search_locations or ())


def check_empty(target: Path) -> None:
    """Raise ConfigError if a project cannot be made there."""
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent} is not a folder: a project cannot be created in it")
    if target.is_dir() and not {path.name for path in target.iterdir()} <= {".git"}:
        raise not_empty(target)
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is a file")


def not_empty(target: Path) -> ConfigError:
    return ConfigError(f"{target} is not empty: name a new folder")


def fill(folder: Path, values: dict[str, str]) -> None:
    for source, path in files(values["name"]):
        text = source.read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            file.chmod(0o755)


def files(name: str) -> Iterator[tuple[Path, Path]]:
    """The template's files, each with its place in a project."""
    for source in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
        parts = source.relative_to(TEMPLATE).with_suffix("").parts
        yield source, Path(*(name if part == "NAME" else part for part in parts))


def move(whole: Path, target: Path) -> None:
    """Move a project into place: in one step if the target is free, else entry by entry beside `.git`."""
    if not target.exists():
        whole.rename(target)
        return
    moved: list[Path] = []
    try:
        for piece in sorted(whole.iterdir()):
            if (place := target / piece.name).exists():
                raise FileExistsError(errno.EEXIST, "another process was faster", str(place))
            piece.rename(place)
            moved.append(place)
    except BaseException:
        for place in moved:
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        raise
