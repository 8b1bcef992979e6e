"""The files that a run reads, as its manifest records them, and whether they are still the same."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from encore.config.facts import look_up
from encore.errors import InputError
from encore.provenance.contents import NAMES, NOT_READ, Folder, place_of, walk, within
from encore.provenance.remembered import digest_of

MANY = 10_000  # files of a folder; one of more is recorded as a whole


def recorded(cfg: dict) -> dict[str, dict[str, Any]]:
    """What a manifest's `data.files` says of the files that a config names: of each its bytes and SHA-256.

    Of a folder of many files it says these once, and how many files there are.
    """
    held: dict[str, dict[str, Any]] = {}
    known: dict[Path, Folder] = {}  # several settings may name one folder
    for setting, place in named(cfg):
        if place.is_dir():
            folder = known[place] = known.get(place) or Folder.of(place)
            if len(folder.names) > MANY:
                held[setting] = {"files": len(folder.names), "bytes": folder.bytes, "sha256": folder.digest()}
                continue
        held |= {
            name: {"bytes": path.stat().st_size, "sha256": digest_of(path)} for name, path in within(setting, place)
        }
    return held


def files(cfg: dict, whole: Container[str] = ()) -> dict[str, Path]:
    """The existing files that a config names, by names that do not depend on where they are stored.

    Args:
        cfg: the config.
        whole: settings whose folders are left whole, instead of the files in them.
    """
    return {
        name: path
        for setting, place in named(cfg)
        for name, path in ([(setting, place)] if setting in whole and place.is_dir() else within(setting, place))
    }


def named(cfg: dict) -> Iterator[tuple[str, Path]]:
    """The existing files and folders that a config names, by names that do not depend on where they are stored.

    These are the files below `data_dir` that `data.sha256` lists, and what settings name: data settings by their path
    within `data`, others by their path in the config.
    """
    listed = ((name, Path(cfg["data_dir"]) / name) for name in cfg["data"].get("sha256") or {})
    yield from ((name, path) for name, path in listed if path.is_file())
    yield from places(others(cfg))
    yield from places(cfg["data"])


def places(node: Any, path: str = "") -> Iterator[tuple[str, Path]]:
    """Every setting that names an existing file or folder, by its dotted path."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        setting = f"{path}.{key}" if path else str(key)
        named = path.rpartition(".")[2] if isinstance(node, list) else str(key)
        if (place := place_of(named, value)) is not None:
            yield setting, place
        yield from places(value, setting)


def check_reads(recorded: Mapping[str, dict], cfg: dict) -> None:
    """Check that a recorded config names no files but those that its run read: by name a stranger's could mean any.

    Raises:
        InputError: it does.
    """
    for prefix, part in (("data.", cfg["data"]), ("", others(cfg))):
        for setting, place in places(part):
            named = f"{prefix}{setting}={place}"
            if place.is_file() and setting not in recorded and is_path(setting, str(place)):
                raise InputError(f"{named}: the run did not read this file, so it is not read now")
            if place.is_dir() and is_path(setting, str(place)):
                most = recorded.get(setting, {}).get("files", 0)
                for number, (name, _) in enumerate(walk(place), 1):  # ends early: there may be a whole disk
                    if number > most and f"{setting}/{name}" not in recorded:
                        strange = f"more than {most:,} files" if most else place / name
                        raise InputError(f"{named}: the run did not read {strange}, so it is not read now")


def is_path(setting: str, value: str) -> bool:
    """Whether a value is meant as a path; a word alone may have a file of its name beside it by chance."""
    return bool(set("/\\") & set(value)) or setting.rpartition(".")[2] in NAMES


def others(cfg: dict) -> dict:
    """The part of a config, besides the data, whose settings can name files that are read."""
    return {key: value for key, value in cfg.items() if key not in ("data", *NOT_READ, "logger", "claims")}


def check_unchanged(recorded: dict[str, dict], cfg: dict, again: bool = False) -> None:
    """Raise InputError if a file that a run read is not what it was, or its config names one that it did not read.

    Args:
        recorded: of each file its digest, as a manifest's `data.files`.
        cfg: the config that names the files here; it may be a stranger's.
        again: whether the run is to be run again, which takes the checkpoint that it continued.
    """
    if not again:
        cfg = {**cfg, "continue_from": None}
        recorded = {name: entry for name, entry in recorded.items() if name.partition("/")[0] != "continue_from"}
    check_reads(recorded, cfg)
    whole = {name for name, entry in recorded.items() if "files" in entry}
    here = files(cfg, whole)
    for name, entry in recorded.items():
        if name not in here:
            if (setting := name.partition("/")[0]) in ("init_from", "continue_from"):
                raise InputError(f"{setting}={cfg.get(setting)} is missing, from which the run began")
            if isinstance(named := look_up(cfg, name), str):  # a setting besides the data's
                raise InputError(f"{name}={named} is missing, which the run read: put it back there")
            raise InputError(f"{name} of data={cfg['data']['name']} is missing: data_dir is {cfg['data_dir']}")
        if here[name].is_dir():
            check_folder(here[name], entry)
        elif (actual := digest_of(here[name])) != entry["sha256"]:
            raise InputError(f"{here[name]} has changed: its SHA-256 is {actual}, recorded was {entry['sha256']}")


def check_folder(place: Path, entry: dict) -> None:
    """Raise InputError if a folder's files are not what they were; they are read only if number and bytes are right."""
    folder = Folder.of(place)
    files, size = len(folder.names), folder.bytes
    if (files, size) != (wanted := (entry["files"], entry.get("bytes", 0))):
        said = "{:,} files with {:,} bytes, recorded were {:,} with {:,}".format(files, size, *wanted)
        raise InputError(f"{place} has changed: it has {said}")
    if (actual := folder.digest()) != entry["sha256"]:
        raise InputError(
            f"{place} has changed: the SHA-256 of its files' names and contents is {actual}, "
            f"recorded was {entry['sha256']}"
        )
