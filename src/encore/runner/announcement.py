"""What a run prints before torch is there: what is going to run, and where it will lie."""

from collections.abc import Mapping
from pathlib import Path

from encore.config.accelerator import device_count
from encore.config.naming import run_name
from encore.provenance.variables import counted


def settings(cfg: dict) -> str:
    """What a config alone tells of a run."""
    limits = cfg["trainer"]
    epochs = f"{limits['max_epochs']} epoch" + "s" * (limits["max_epochs"] != 1)
    lines = {
        "run": f"{run_name(cfg)}: {epochs}; {device_count(cfg)} × {limits['accelerator']}, {cfg['threads']} threads, "
        f"{limits.get('precision')}; seed {cfg['seed']}",
        "set": ", ".join(f"{name}={value}" for name, value in counted(cfg).items()),
    }
    return rows(lines)


def place(folder: Path) -> str:
    return rows({"folder": str(folder)})


def rows(lines: Mapping[str, str | None]) -> str:
    """A line for each of them that says something, with what it is about in front."""
    return "\n".join(f"{name:8} {line}" for name, line in lines.items() if line)
