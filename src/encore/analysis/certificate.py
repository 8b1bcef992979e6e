"""What a reproduction found, as a file that others can check: docs/reproduce.md lists its keys."""

from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from encore.analysis.figures import same
from encore.analysis.recorded_figures import NOT_COMPARED
from encore.analysis.verification import Comparison
from encore.errors import InputError
from encore.files import read_json, sha256, strict, write_json
from encore.provenance.environment import environment
from encore.record import seal

SCHEMA = 1
# Every key, and what its value is.
KEYS: dict[str, type | tuple[type, ...]] = {
    "certificate": int, "verdict": str, "exit_code": int, "issued": str, "encore": str, "run": dict, "again": dict,
    "signature": (str, type(None)), "tolerance": (float, type(None)), "figures": list, "not_compared": list,
    "machine": dict, "differences": list,
}  # fmt: skip
OF_A_FIGURE = ("figure", "recorded", "computed", "equal")


def write(
    file: Path, verdict: str, code: int, run: Path, again: Path | None = None, found: Comparison | None = None,
    signature: str | None = None, tolerance: float | None = None,
) -> None:  # fmt: skip
    """Write a certificate.

    Args:
        file: to be written.
        verdict: the line that `reproduce` ends with.
        code: its exit code.
        run: the recorded run's folder.
        again: that of the second run; None where it did not come to that.
        found: how they compare.
        signature: whose signature of the record holds.
        tolerance: the relative difference that was good enough.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "certificate": SCHEMA,
        "verdict": verdict,
        "exit_code": code,
        "issued": datetime.now(UTC).isoformat(timespec="seconds"),
        "encore": metadata.version("encore"),
        "run": identity(run),
        "again": {} if again is None else identity(again),
        "signature": signature,
        "tolerance": tolerance,
        "figures": [
            {"figure": each.name, "recorded": each.recorded, "computed": each.computed, "equal": each.apart is None}
            for each in (found.figures if found else ())
        ],
        "not_compared": list(NOT_COMPARED),
        "machine": environment(),
        "differences": found.environment if found else [],
    }
    write_json(file, content)


def identity(folder: Path) -> dict[str, Any]:
    """Which run it is, by digests of its record."""
    names = (seal.FILE, *seal.ALWAYS, "losses.f32")
    return {
        "folder": folder.name,
        "sha256": {name: sha256(folder / name) for name in names if (folder / name).is_file()},
    }


def read(file: Path) -> dict[str, Any]:
    """A certificate, whose verdict follows from its figures.

    Raises:
        InputError: it is not one, or contradicts itself.
    """
    held = read_json(file)
    if not isinstance(held, dict) or held.get("certificate") != SCHEMA:
        raise InputError(f"{file} is no certificate of schema {SCHEMA}")
    if wrong := [key for key, kind in KEYS.items() if not isinstance(held.get(key, ...), kind)]:
        raise InputError(f"{file} is no certificate: {', '.join(wrong)} is missing or of another type")
    if not all(isinstance(each, dict) and each.keys() == set(OF_A_FIGURE) for each in held["figures"]):
        raise InputError(f"{file}: each of its figures has {', '.join(OF_A_FIGURE)}")
    # A figure that differs may look the same here: a run may have been longer, or a tensor of another type.
    claimed = [each["figure"] for each in held["figures"] if each["equal"]]
    if wrong := [one["figure"] for one in held["figures"] if one["equal"] and not equal(one)]:
        raise InputError(f"{file} calls figures equal that are not: {', '.join(wrong[:3])}")
    if held["verdict"].startswith("REPRODUCED bit for bit") and (
        held["exit_code"] or not claimed or len(claimed) < len(held["figures"])
    ):
        raise InputError(f"{file} says that all is reproduced, and its figures do not")
    return held


def equal(one: dict[str, Any]) -> bool:
    """Whether a figure is the same in both runs."""
    return same(strict(one["recorded"]), strict(one["computed"]))
