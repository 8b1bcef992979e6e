"""The installed distributions that modules come from, read from their metadata."""

import json
import re
from functools import cache
from pathlib import Path

from encore.provenance import remembered

INSTALLED = ("site-packages", "dist-packages")
VERSION = 1  # raise it whenever the same folder would be read differently


def claim(file: Path) -> dict[str, str]:
    """The distributions, with versions, that installed a file's package or module."""
    site = site_of(file.parent)
    if site is None:
        return {}
    top = file.relative_to(site).parts[0].partition(".")[0]
    return dict(claims(site).get(top, {}))


@cache
def site_of(folder: Path) -> Path | None:
    """The site-packages folder that a folder is or lies in, including that of an unpacked wheel."""
    if folder.name in INSTALLED or next(folder.glob("*.dist-info"), None) is not None:
        return folder
    return None if folder == folder.parent else site_of(folder.parent)


@cache
def claims(site: Path) -> dict[str, dict[str, str]]:
    """By top-level module, the distributions, with versions, that installed it into a folder."""
    return json.loads(remembered.value(site, "claims", VERSION, lambda: json.dumps(read(site))))


def read(site: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for info in sorted([*site.glob("*.dist-info"), *site.glob("*.egg-info")]):
        facts = text(info / "METADATA") or text(info / "PKG-INFO")
        name, version = re.search(r"^Name: *(\S+)", facts, re.M), re.search(r"^Version: *(\S+)", facts, re.M)
        if name and version:
            for top in tops(info):
                found.setdefault(top, {})[re.sub(r"[-_.]+", "-", name[1]).lower()] = version[1]
    return found


def tops(info: Path) -> set[str]:
    """The top-level modules of a distribution: the first parts of the paths in its RECORD."""
    listed = text(info / "RECORD") or text(info / "installed-files.txt") or text(info / "SOURCES.txt")
    found = set(text(info / "top_level.txt").split())
    for line in listed.splitlines():
        first, _, rest = line.split(",")[0].strip('"').removeprefix("../").partition("/")
        if rest and not first.endswith((".dist-info", ".egg-info", ".data")):
            found.add(first)
        elif not rest and first.endswith((".py", ".so", ".pyd")):
            found.add(first.partition(".")[0])
    return {top for top in found if top.isidentifier()}


def text(file: Path) -> str:
    """A file's text; empty if there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
