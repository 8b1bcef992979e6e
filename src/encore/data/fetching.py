"""Building a dataset's class from the files that are here, or fetching them."""

import inspect
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from encore.config.build import locate, root, takes, target_of
from encore.data.offline import refused
from encore.data.published import can_be_fetched, fetch, fetch_all
from encore.errors import ConfigError, InputError, NotHere
from encore.fast.digits import digits_file
from encore.fast.idx import raw_files_only, reading_once
from encore.files import sha256
from encore.locks import locked

log = logging.getLogger("encore")

PICTURES = "encore.data.readers.folders.PictureFolder"
DIGITS = "sklearn.datasets.load_digits"
QUICK_DIGITS = "encore.fast.digits.load_digits"
IMAGE_FOLDERS = ("torchvision.datasets.ImageFolder", "torchvision.datasets.folder.ImageFolder")


def replaced(recipe: dict) -> str:
    """What reads a recipe's data: its target, or what reads the same without importing what that needs.

    Of torchvision's folders of pictures it is our reader, which turns and checks them.
    """
    target: str = recipe["_target_"]
    given = recipe.keys() - {"_target_", "name"}
    if target in IMAGE_FOLDERS and given <= {"root"}:
        return PICTURES
    return QUICK_DIGITS if target == DIGITS and not given and digits_file() is not None else target


def check_arguments(settings: dict) -> None:
    """Raise ConfigError if a target does not take its settings."""
    given = {key: value for key, value in settings.items() if key not in ("name", "_target_")}
    try:
        inspect.signature(locate(settings["_target_"])).bind(**given)
    except ValueError:  # written in C: it has none
        return
    except TypeError as problem:
        raise ConfigError(f"cannot build data from {settings['_target_']}: {problem}") from problem


def built(settings: dict) -> Any:
    """A dataset object, made of the files that were checked and no others."""
    with reading_once(settings["_target_"]), raw_files_only(settings["_target_"]):
        return target_of(settings, "data")()


def unreadable(problem: Exception, target: str, data: dict, data_dir: Path) -> InputError:
    """What to say of files that a class cannot read; those that were published can be had again."""
    said = f"{type(problem).__name__}: {root(problem)}"
    if not can_be_fetched(target):
        return InputError(f"data={data['name']} cannot be read by {target}: {said}")
    return InputError(
        f"a file of data={data['name']} in {data_dir.resolve()} is truncated or altered: {said}\n"
        f"encore fetch_data {data['name']} fetches it again"
    )


def download(settings: dict, data: dict, data_dir: Path, read: Callable[[Any, dict], object]) -> Any:
    """Build a dataset that fetches its files, or says where they are, from its mirrors and with its checksums.

    Of several processes one fetches, and the others wait for it.

    Args:
        settings: the dataset's, with a `root`.
        data: the recipe.
        data_dir: where files are.
        read: raises InputError if a dataset that is there cannot be used.
    """
    name, folder = data["name"], Path(settings.get("root", data_dir))
    if (remedy := refused.get()) is not None:
        raise NotHere(f"data={name} is not in {data_dir.absolute()}, or altered: {remedy.format(name=name)}")
    try:
        with locked(folder / f".{name}.lock", f"data={name} is being fetched by another process: waiting for it"):
            try:
                verify(data, folder)
                found = built(settings)  # by one who was first
                read(found, data)
                return found
            except Exception as problem:  # whatever a class makes of files that are not there, or broken
                print(f"data={name} is missing from {data_dir}, or altered: downloading", file=sys.stderr)
                log.debug("%s", problem)
            fetch(lambda scratch: fetched(settings, data, scratch), folder, data, lambda place: verify(data, place))
            return built(settings)
    except (RuntimeError, OSError) as problem:
        raise NotHere(
            f"data={name} is not in {data_dir.resolve()}, or altered, and it could not be downloaded: "
            f"{root(problem)}\n"
            f"with a network, encore fetch_data {name} fetches it; "
            f"with --from FOLDER it takes files that you have; data=digits needs no download"
        ) from problem


def fetched(settings: dict, data: dict, folder: Path) -> None:
    """Fetch files into a folder: torchvision does, or it is done from the addresses that a class states."""
    with time_limit(30), redirect_stdout(sys.stderr):
        if takes(settings["_target_"], "download"):
            built({**settings, "root": str(folder), "download": True})
        else:
            fetch_all(data, folder)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A limit on how long a connection may say nothing."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def verify(data: dict, data_dir: Path) -> None:
    """Raise InputError if a file that is there has not the digest that the dataset's config states."""
    for path, expected in (data.get("sha256") or {}).items():
        file = data_dir / path
        if expected and file.is_file() and (actual := sha256(file)) != expected:
            raise InputError(
                f"{file} is truncated or altered: its SHA-256 is {actual}, not {expected}\n"
                f"encore fetch_data {data['name']} fetches it again"
            )
