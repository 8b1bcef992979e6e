"""Where modules lie, and whose they are, found without importing them."""

import importlib.machinery
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from encore.provenance import distributions

ENGINE = __name__.partition(".")[0]
STANDARD = tuple(
    f"{Path(sysconfig.get_path(kind)).resolve()}/" for kind in ("stdlib", "platstdlib") if sysconfig.get_path(kind)
)


@dataclass(frozen=True)
class Module:
    """A module that can be imported here.

    Attributes:
        name: dotted.
        file: its source or compiled file; None of a namespace package.
        within: where a package's own modules lie.
        own: whether it belongs to no installed distribution: to a project, to its user, or to the engine.
    """

    name: str
    file: Path | None
    within: tuple[str, ...] | None
    own: bool


class Modules:
    """Modules on this process's search path, each looked up once."""

    def __init__(self) -> None:
        self.found: dict[str, Module | None] = {}

    def find(self, name: str) -> Module | None:
        """Find a module by its dotted name; None if there is none, or if it is part of Python."""
        if name not in self.found:
            self.found[name] = self.look(name)
        return self.found[name]

    def look(self, name: str) -> Module | None:
        package, _, _ = name.rpartition(".")
        within: tuple[str, ...] | None = None
        if package:
            above = self.find(package)
            if above is None or above.within is None:
                return None
            within = above.within
        try:
            spec = spec_of(name, within)
        except KeyError:  # Python's finder asks for the imported package around a namespace package
            return Module(name, None, portions(name, within), own=True)
        if spec is None or spec.origin in ("built-in", "frozen"):
            return None
        file = Path(spec.origin) if spec.origin and spec.has_location else None
        if file is not None and is_standard(file):
            return None
        return Module(name, file, locations(name, spec, within), is_own(name, file))


def spec_of(name: str, within: tuple[str, ...] | None) -> importlib.machinery.ModuleSpec | None:
    """What Python would import for a name, according to its finders."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, list(within) if within is not None else None) if find else None
        if spec is not None:
            return spec
    return None


def locations(
    name: str, spec: importlib.machinery.ModuleSpec, within: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Where a package's modules lie; None for a module."""
    if spec.submodule_search_locations is None:
        return None
    if spec.has_location:
        return tuple(spec.submodule_search_locations)
    return portions(name, within)


def portions(name: str, within: tuple[str, ...] | None) -> tuple[str, ...]:
    """The folders of a namespace package; its own list of them can be read only after it has been imported."""
    places = (Path(place or ".", name.rpartition(".")[2]) for place in (sys.path if within is None else within))
    return tuple(str(place) for place in places if place.is_dir())


@cache
def is_standard(file: Path) -> bool:
    """Whether a file belongs to Python's standard library."""
    place = str(file.resolve())
    return place.startswith(STANDARD) and not {"site-packages", "dist-packages"} & set(file.parts)


def is_own(name: str, file: Path | None) -> bool:
    top = name.partition(".")[0]
    return top == ENGINE or file is None or not distributions.claim(file)
