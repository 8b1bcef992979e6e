"""What differs between runs: settings, code, packages, machine, data and results."""

import difflib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encore.analysis.results.table_formats import aligned
from encore.config.defaults import COSMETIC, OF_USE, OF_VIEWS
from encore.config.facts import leaves, show
from encore.errors import InputError
from encore.provenance.former_names import present
from encore.provenance.rebuild import rebuild
from encore.record.identity import check_identity
from encore.record.reading import read_manifest
from encore.record.result import Result

RESULTS = ("status", "epochs", "steps", "weights_sha256", "losses_sha256")
NOT_MACHINE = ("packages", "lock_sha256")
MISSING_HERE = "–"
SHORT = 12  # characters of a digest
LONGEST_DIFF = 400  # lines on the terminal

Values = dict[str, list[Any]]  # by name, each run's; None: it has none


@dataclass
class Comparison:
    """Differences, by name with each run's value.

    Attributes:
        runs: that are compared, in order.
        sections: what differs, by what it is part of; empty ones among them.
        diff: between the first run's code and the others'.
        without_source: the modules of which no run's text is at hand.
    """

    runs: list[Result]
    sections: dict[str, Values]
    diff: str = ""
    without_source: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not any(self.sections.values())

    def text(self) -> str:
        """For a reader."""
        lines = [f"{number}  {run.folder}" for number, run in enumerate(self.runs, 1)]
        if self.same:
            return "\n".join([*lines, "", f"nothing differs: {', '.join(self.sections)} are the same"])
        for name, values in self.sections.items():
            if values:
                lines += ["", *table(name, values, len(self.runs))]
                if name == "code" and self.diff:
                    shown = self.diff.splitlines()
                    left = len(shown) - LONGEST_DIFF
                    lines += [
                        "",
                        *shown[:LONGEST_DIFF],
                        *([f"… {left} more lines: --json has all"] if left > 0 else []),
                    ]
                if name == "code" and self.without_source:
                    lines += ["", f"only the digests are known of {', '.join(self.without_source)}"]
        if same := [name for name, values in self.sections.items() if not values]:
            lines += ["", f"the same: {', '.join(same)}"]
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """For another program."""
        return {"runs": [str(run.folder) for run in self.runs], "same": self.same, **self.sections, "diff": self.diff}


def table(heading: str, values: Values, count: int) -> list[str]:
    """A row for each name, a column for each run."""
    rows = [[heading, *(str(number) for number in range(1, count + 1))]]
    rows += [[name, *map(cell, of_each)] for name, of_each in values.items()]
    return aligned(rows).splitlines()


def cell(value: Any) -> str:
    if value is None:
        return MISSING_HERE
    if isinstance(value, float):
        return f"{value:.6g}"
    text = show(value)
    return text[:SHORT] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def compare(folders: Sequence[Path]) -> Comparison:
    """Compare runs.

    Raises:
        InputError: one of them cannot be read, or was altered.
    """
    runs, held = [], []
    for folder in folders:
        run, manifest = Result.read(folder), read_manifest(folder)
        check_identity(run, manifest)
        runs.append(run)
        held.append(manifest)
    code = [each["code"]["digests"] for each in held]
    sections = {
        "results": differing([{**facts(run), **run.metrics} for run in runs]),
        "settings": differing([of_config(each["config"]) | each.get("chosen", {}) for each in held]),
        "code": differing(code),
        "packages": differing([each["environment"]["packages"] for each in held]),
        "machine": differing([of_machine(each["environment"]) for each in held]),
        "data": differing([of_data(each["data"]) for each in held]),
    }
    found = Comparison(runs, sections)
    if modules := sections["code"]:
        found.diff, found.without_source = diff([each["code"] for each in held], list(modules))
    return found


def differing(held: Sequence[Mapping[str, Any]]) -> Values:
    """The names whose values are not the same in all."""
    names = dict.fromkeys(name for of_run in held for name in of_run)
    values = {name: [of_run.get(name) for of_run in held] for name in names}
    return {name: of_each for name, of_each in values.items() if any(one != of_each[0] for one in of_each)}


def facts(run: Result) -> dict[str, Any]:
    return {name: value for name in RESULTS if (value := getattr(run, name)) is not None}


def of_config(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that can change a number."""
    aside = tuple(f"{path}." for path in (*COSMETIC, *OF_VIEWS, *OF_USE))
    return {path: value for path, value in leaves(present(config)) if not f"{path}.".startswith(aside)}


def of_machine(environment: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in environment.items() if name not in NOT_MACHINE}
    kept["gpus"] = {str(number): gpu for number, gpu in enumerate(kept.get("gpus") or [])}
    return dict(leaves(kept))


def of_data(data: dict[str, Any]) -> dict[str, Any]:
    """The digests of files and examples."""
    files = {name: file["sha256"] for name, file in data["files"].items()}
    return {**files, **{name: data[name] for name in ("examples_sha256", "split_sha256") if data.get(name)}}


def diff(code: Sequence[dict[str, Any]], modules: Sequence[str]) -> tuple[str, list[str]]:
    """How the recorded sources of modules differ from the first run's, and the modules without any.

    Args:
        code: of each run, what its manifest holds.
        modules: that differ.
    """
    with tempfile.TemporaryDirectory() as scratch:
        texts = []
        for number, recorded in enumerate(code):
            try:
                place = rebuild(recorded, Path(scratch) / str(number)).parent
            except (InputError, OSError):
                place = Path(scratch) / "none"
            texts.append({module: source(place, module) for module in modules})
    first, *others = texts
    said: list[str] = []
    for number, other in enumerate(others, 2):
        for module in modules:
            if (one := first[module]) is not None and (two := other[module]) is not None:
                names = f"1  {module}", f"{number}  {module}"
                said += difflib.unified_diff(one.splitlines(), two.splitlines(), *names, lineterm="")
    return "\n".join(said), [module for module in modules if all(of_run[module] is None for of_run in texts)]


def source(place: Path, module: str) -> str | None:
    """A module's text in a restored project; None if it is not there."""
    path = Path(*module.split("."))
    for top in (place / "src", place):
        for file in (top / path.with_suffix(".py"), top / path / "__init__.py"):
            if file.is_file() and not file.is_symlink():
                return file.read_text(encoding="utf-8", errors="replace")
    return None
