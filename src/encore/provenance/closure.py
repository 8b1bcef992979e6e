"""The code of a run: all modules reached by imports from what its config names, and the packages around them."""

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from encore.errors import ConfigError
from encore.files import sha256
from encore.provenance import distributions, remembered
from encore.provenance.contents import within
from encore.provenance.modules import ENGINE, Module, Modules
from encore.provenance.reading import VERSION, Import, Reading, read
from encore.provenance.remembered import facts_of

# Parts of the engine, with everything below them, that change no bit of a result: they compose and check configs, hold
# folders, and show, describe and compare runs. Not followed.
NOT_COMPUTING = frozenset(
    f"{ENGINE}.{name}"
    for name in (
        "analysis", "command", "commands", "loggers", "provenance", "sweep", "terminal", "use",
        "callbacks.progress", "callbacks.views", "data.names", "data.notes",
        "config.check", "config.combinations", "config.compose", "config.directions", "config.help", "config.packages",
        "config.plain", "config.rules", "config.suggestion",
        "record.inputs", "record.lock", "record.manifest", "record.record", "record.result", "record.seal",
        "runner.as_before", "runner.clock", "runner.execute", "runner.observers", "runner.profile", "runner.quiet",
        "runner.restored_run", "runner.summary", "tasks.pictures",
    )
)  # fmt: skip
# Where a run's work begins.
CORE = f"{ENGINE}.runner.training"
# What was asked last, what was found, and what was seen of files and folders.
KNOWN: dict[str, Any] = {}
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@dataclass
class Closure:
    """The code and packages that a run computes with.

    Attributes:
        files: by module, its file.
        digests: by module, the digest of its code.
        packages: by installed distribution, its version.
    """

    files: dict[str, Path] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "Closure":
        """The same, to be changed."""
        return Closure(dict(self.files), dict(self.digests), dict(self.packages))


def closure(names: Iterable[str], declared: Iterable[str] = ()) -> Closure:
    """Follow imports from modules, or from what is in them.

    It takes most of a fingerprint's time: what was found last is given again as long as its files, and the folders in
    which modules are looked for, are as they were.

    Args:
        names: dotted names of modules, classes or functions.
        declared: modules, packages with all that is in them, files and folders that count, however they are loaded.

    Raises:
        ConfigError: a declared entry does not exist.
    """
    names, declared = list(names), list(declared)
    asked = (tuple(names), tuple(sys.path), tuple(map(id, sys.meta_path)))
    if not declared and KNOWN.get("asked") == asked and KNOWN["seen"] == facts(KNOWN["seen"]):
        return KNOWN["found"].copy()
    modules, began = Modules(), time.time_ns()
    found = followed(names, declared, modules)
    within = (place for module in modules.found.values() if module and module.own for place in module.within or ())
    seen = facts([*sys.path, *within, *map(str, found.files.values())])
    if not declared and began - max(map(changed, seen), default=0) > remembered.SETTLED:
        KNOWN.update(asked=asked, seen=seen, found=found.copy())
    return found


def facts(places: Iterable[str]) -> dict[str, str | None]:
    """What is the same of files and folders while they are; None of what is not there."""
    return {place: facts_of(found) if (found := stat_of(place)) else None for place in places}


def changed(place: str) -> int:
    """When a file or folder last changed, in nanoseconds; 0 of what is not there."""
    found = stat_of(place)
    return max(found.st_mtime_ns, found.st_ctime_ns) if found else 0


def stat_of(place: str) -> os.stat_result | None:
    try:
        return os.stat(place or ".")  # noqa: PTH116 (quick)
    except OSError:
        return None


def followed(names: list[str], declared: list[str], modules: Modules) -> Closure:
    """Every module that is reached by imports, and the packages around them."""
    found, waiting = Closure(), list(names)
    seen: set[str] = set()
    for entry in declared:
        waiting += add(found, entry) if Path(entry).exists() else [entry, *below(entry, modules)]
    while waiting:
        for module in chain(waiting.pop(), modules):
            if module.name in seen or not_computing(module.name):
                continue
            seen.add(module.name)
            if not module.own:
                found.packages |= distributions.claim(Path(str(module.file)))
            elif module.file is not None:
                reading = reading_of(module.file)
                found.files[module.name], found.digests[module.name] = module.file, reading.digest
                waiting += [name for one in reading.imports for name in absolute(one, module)]
    return found


def add(found: Closure, entry: str) -> Iterator[str]:
    """Count a declared file, or all files of a folder; yields the names that they import."""
    for name, file in within(entry, Path(entry)):
        if "__pycache__" not in file.parts:
            reading = reading_of(file)
            found.files[name], found.digests[name] = file, reading.digest
            yield from (inner for one in reading.imports for inner in absolute(one, Module(name, file, None, own=True)))


def chain(name: str, modules: Modules) -> Iterator[Module]:
    """The packages above a name, and the module itself, as far as they exist; stops at the first installed one."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        module = modules.find(".".join(parts[:length]))
        if module is None:
            return
        yield module
        if not module.own:
            return


def below(package: str, modules: Modules) -> Iterator[str]:
    """The names of all modules in a package; none in a module."""
    found = modules.find(package)
    if found is None:
        raise ConfigError(f"code: there is no module, file or folder {package!r}")
    for place in found.within or ():
        for file in sorted(Path(place).rglob("*")):
            inner = file.relative_to(place).with_suffix("").parts
            if file.suffix in (".py", ".so", ".pyd") and all(part.partition(".")[0].isidentifier() for part in inner):
                yield ".".join([package, *(part.partition(".")[0] for part in inner if part != "__init__")])


def not_computing(name: str) -> bool:
    """Whether a module is one of the engine's that change no bit of a result."""
    if name == ENGINE:
        return True
    parts = name.split(".")
    return any(".".join(parts[:length]) in NOT_COMPUTING for length in range(2, len(parts) + 1))


def absolute(one: Import, module: Module) -> Iterator[str]:
    """The names that an import in a module may refer to."""
    base = one.module
    if one.level:
        package = module.name.split(".")
        up = one.level - (module.within is not None)
        package = package[: len(package) - up] if up <= len(package) else []
        base = ".".join([*package, *([one.module] if one.module else [])])
    if base:
        yield base if one.name in (None, "*") else f"{base}.{one.name}"


def reading_of(file: Path) -> Reading:
    """What a source file contains; a compiled one counts byte by byte."""
    if file.suffix != ".py":
        return Reading(sha256(file) if file.is_file() else f"{file.name} is in an archive", ())
    held = json.loads(remembered.value(file, "code", VERSION, lambda: json.dumps(asdict(read(file.read_bytes())))))
    return Reading(held["digest"], tuple(Import(**one) for one in held["imports"]), held["dynamic"])
