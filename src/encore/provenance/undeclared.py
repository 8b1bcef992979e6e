"""Code that a run has loaded but that reading its sources could not reveal."""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from encore.provenance.closure import reading_of
from encore.provenance.modules import ENGINE, Modules, is_own, is_standard

# Files of code that libraries generate and run.
GENERATED = ("torchinductor_", ".triton", "triton_cache", "__pycache__")
ENGINE_FOLDER = Path(__file__).resolve().parents[1]
OF_THE_ENGINE = (ENGINE, "hydra_plugins", "__main__", "__mp_main__")


class Loaded:
    """Modules outside every distribution that the runs of this process have loaded."""

    before: frozenset[str] = frozenset()
    by_runs: dict[str, Path] = {}  # noqa: RUF012 (of the whole process)

    @classmethod
    def begin(cls) -> None:
        """What is loaded already does not belong to the run that begins."""
        cls.before = frozenset(sys.modules)

    @classmethod
    def undeclared(cls, files: Iterable[Path]) -> dict[str, str]:
        """By module, the digest of code that the run has loaded, or may have found loaded, outside its fingerprint.

        Args:
            files: that are in the run's fingerprint.
        """
        during = {name: file for name in sys.modules.keys() - cls.before if (file := own_file(name)) is not None}
        before = {name: file for name, file in cls.by_runs.items() if name in sys.modules}
        cls.by_runs |= during
        if not during and not before:
            return {}
        counted = {file.resolve() for file in files}
        seen = before | during if any(map(chooses_what_to_load, counted)) else during
        return {name: reading_of(file).digest for name, file in sorted(seen.items()) if file.resolve() not in counted}


def chooses_what_to_load(file: Path) -> bool:
    """Whether a user's code loads modules whose names it does not spell out; an earlier run may have loaded them."""
    return not file.is_relative_to(ENGINE_FOLDER) and reading_of(file).dynamic


def now(name: str) -> str | None:
    """The digest of a module's code as it is now; None if there is no such module."""
    found = Modules().find(name)
    return reading_of(found.file).digest if found is not None and found.file is not None else None


def own_file(name: str) -> Path | None:
    """The file of a loaded module that is of no distribution, of Python or of the engine; None of any other."""
    file = file_of(sys.modules[name]) if name.partition(".")[0] not in OF_THE_ENGINE else None
    return file if file is not None and is_own(name, file) and not is_standard(file) else None


def file_of(module: ModuleType) -> Path | None:
    name = getattr(module, "__file__", None)
    if not isinstance(name, str) or any(word in name for word in GENERATED):
        return None
    file = Path(name)
    return file if file.is_file() else None


def told(undeclared: Iterable[str]) -> str:
    """What is wrong and what to do."""
    named = list(undeclared)
    shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    tops = sorted({name.partition(".")[0] for name in named})
    return (
        f"loaded in a way that reading the code does not show: {shown}. The run's fingerprint does not cover it, so it "
        f"will run again when it is asked for; 'code=[{','.join(tops)}]' covers it, and so does an import"
    )
