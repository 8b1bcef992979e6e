"""Where configs and code are looked for: the user's folders first, then the engine's own configs.

Quick to import: nothing here imports Hydra.
"""

import os
import sys
import tomllib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from encore.errors import ConfigError

# Config folders, separated as in PATH. `--config-dir` is prepended, so that child processes inherit it.
VARIABLE = "ENCORE_CONFIGS"
FLAGS = ("--config-dir", "-cd")
PROVIDER = "user"  # what Hydra calls these folders

PACKAGE = Path(__file__).parents[1]


def engine() -> Path:
    """The engine's own configs: in its wheel, or beside `src/` in a clone."""
    packaged = PACKAGE / "configs"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "configs"


def user() -> list[Path]:
    """The user's config folders; the first that has a config wins.

    Raises:
        ConfigError: ENCORE_CONFIGS names what is not a folder.
    """
    if missing := [str(folder) for folder in named() if not folder.is_dir()]:
        raise ConfigError(f"{VARIABLE} names {', '.join(missing)}: there is no such folder")
    engines = engine().resolve()
    return [folder for folder in dict.fromkeys([*named(), *of_project()]) if folder.resolve() != engines]


def own() -> list[Path]:
    """The user's config folders without those that the engine's clone brings."""
    elsewhere = project() not in (None, clone())
    return [folder for folder in user() if elsewhere or folder in named()]


def of_project() -> list[Path]:
    """The config folders of the project, or else of the clone: its `configs/`, and those that its table names.

    Raises:
        ConfigError: the table names what is not a folder in the project.
    """
    if (top := project() or clone()) is None:
        return []
    return [folder for folder in (top / "configs", *listed(top, "configs", "folder")) if folder.is_dir()]


def labels() -> list[Path]:
    """The files that hold the labels of the project's pictures in other languages.

    Raises:
        ConfigError: the table names what is not a file in the project.
    """
    top = project() or clone()
    return [] if top is None else listed(top, "labels", "file")


def listed(top: Path, key: str, kind: str) -> list[Path]:
    """The places that a list in a project's table names; each must be a `file` or `folder` in it."""
    names, where = (table(top) or {}).get(key, []), f"{top / 'pyproject.toml'}: [tool.encore] {key}"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{where}={names!r} must be a list of {kind}s")
    for name in names:
        place = (top / name).resolve()
        there = place.is_dir() if kind == "folder" else place.is_file()
        if not there or not place.is_relative_to(top.resolve()):
            raise ConfigError(f"{where} names {name}: no {kind} in the project")
    return [top / name for name in names]


def named() -> list[Path]:
    """The folders listed in ENCORE_CONFIGS."""
    return [Path(word).absolute() for word in os.environ.get(VARIABLE, "").split(os.pathsep) if word]


def every() -> list[Path]:
    """All config folders, in search order."""
    return [*user(), engine()]


def find(name: str) -> Path | None:
    """The file of a config such as `experiment/digits_mlp`."""
    return next((file for folder in every() if (file := folder / f"{name}.yaml").is_file()), None)


def groups() -> list[str]:
    """The name of every group with options, such as `model`."""
    found = {file.parent.relative_to(folder).as_posix() for folder in every() for file in folder.glob("*/**/*.yaml")}
    return sorted(found)


def options(group: str = "") -> list[str]:
    """Names of the configs and groups in a group, or at the top."""
    folders = [folder / group for folder in every()]
    return sorted({path.stem for folder in folders if folder.is_dir() for path in folder.iterdir()})


def project() -> Path | None:
    """The current project: the nearest around the working directory, or else that of the script or the configs.

    A project is a folder whose pyproject.toml has a table [tool.encore].
    """
    if (here := working_directory()) is None:
        return None
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or here / "none").absolute()
    # From another folder: `python ~/study/train.py`, `python ~/study/scripts/mine.py`, ENCORE_CONFIGS=~/study/configs.
    elsewhere = [script.parent, script.parent.parent, *(folder.parent for folder in named())]
    return next((folder for folder in (here, *here.parents, *elsewhere) if is_project(folder)), None)


def working_directory() -> Path | None:
    """The working directory; None if it has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def is_project(folder: Path) -> bool:
    """Whether a folder's pyproject.toml has the table; a run's folder, which may be a stranger's, is no project.

    Raises:
        ConfigError: it seems to have one, and cannot be read.
    """
    return not is_run(folder) and table(folder) is not None


def table(folder: Path) -> dict[str, Any] | None:
    """The table [tool.encore] of a folder's pyproject.toml; None if there is none."""
    file = folder / "pyproject.toml"
    try:
        seen = file.stat()
    except OSError:
        return None
    return read_table(file, seen.st_mtime_ns, seen.st_size)


@lru_cache
def read_table(file: Path, *_: int) -> dict[str, Any] | None:
    """Read the table of a pyproject.toml; the numbers identify its content, for the cache."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    try:
        tables = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as problem:
        if "tool.encore" not in text:
            return None
        raise ConfigError(f"{file} cannot be read: {problem}") from problem
    found = tables.get("encore") if isinstance(tables, dict) else None
    return found if isinstance(found, dict) else None


def root() -> Path:
    """The folder of the code that runs: the project, else the engine's clone, else the working directory."""
    return project() or clone() or Path.cwd()


def clone() -> Path | None:
    """The engine's repository; None if it is installed as a wheel."""
    return engine().parent if engine().parent != PACKAGE else None


def extend_path(trains: bool = True) -> None:
    """Let Python find the user's own modules, after everything that is installed.

    Args:
        trains: whether the user has chosen what is imported. A command on a run, which may be a stranger's, looks
            into the working directory only where the user's own configs may name what lies there.

    Raises:
        ConfigError: the project's package has the engine's name.
    """
    top = project() or clone()
    found = [top / "src", top] if top else []
    impostor = found[0] / PACKAGE.name if found else PACKAGE
    if impostor.is_dir() and impostor.resolve() != PACKAGE.resolve():
        raise ConfigError(f"{impostor} has the engine's name, so Python cannot find both: rename your package")
    here = working_directory() if trains or own() else None
    if here and not is_run(here):
        found.append(here)
    sys.path += [str(place) for place in found if place.is_dir() and str(place) not in sys.path]


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's, in which nothing is looked up: it may be a stranger's."""
    return (folder / "manifest.json").exists()


def put_first(folder: str) -> None:
    """Search a folder before all others, here and in child processes.

    Raises:
        ConfigError: there is no such folder.
    """
    place = Path(folder).absolute()
    if not place.is_dir():
        raise ConfigError(f"--config-dir {folder}: there is no such folder")
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(map(str, [place, *named()])))


def adopt(folders: Iterable[str]) -> None:
    """Search the folders that the parent process searches."""
    places = [Path(folder) for folder in folders]
    if places != user():
        os.environ[VARIABLE] = os.pathsep.join(map(str, places))


def without_flag(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The folder that `--config-dir` names on a command line, and the remaining arguments.

    Raises:
        ConfigError: no folder follows.
    """
    rest, given = list(arguments), None
    for place, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name not in FLAGS:
            continue
        end = place + (1 if equals else 2)
        if end > len(arguments):
            raise ConfigError(f"{name} is followed by a folder of configs")
        given, rest = value if equals else arguments[place + 1], [*arguments[:place], *arguments[end:]]
        break
    return given, rest
