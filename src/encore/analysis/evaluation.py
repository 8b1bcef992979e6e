"""A finished run's metrics, measured again from its checkpoints, and compared with what was recorded."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encore.analysis.figures import Figure, figure
from encore.record import seal
from encore.record.checkpoint_files import BEST, LAST
from encore.record.result import Result
from encore.runner.restored_run import validate, validation_again
from encore.runner.training import evaluate


@dataclass
class Evaluation:
    """What was measured, and what was not.

    Attributes:
        measured: the test metrics of the best weights, and the validation metrics of the last.
        figures: each recorded figure beside the measured one.
        left: recorded metrics that only training itself gives.
    """

    measured: dict[str, float] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def apart(self) -> float:
        """The largest relative difference."""
        return max((each.apart for each in self.figures if each.apart is not None), default=0.0)

    @property
    def words(self) -> str:
        """What differs."""
        return "; ".join(each.words for each in self.figures if each.words)


def evaluation(run: Result, held: dict[str, Any], cfg: dict, scratch: Path) -> Evaluation:
    """Measure what can be measured without training, and compare.

    Args:
        run: what the run gave.
        held: its manifest.
        cfg: its recorded config, with an accelerator that is here.
        scratch: an empty folder.

    Raises:
        InputError: a checkpoint or the data cannot be used, or the run has no test set.
    """
    best, last = (run.folder / "checkpoints" / name for name in (BEST, LAST))
    there = [f"checkpoints/{file.name}" for file in (best, last) if file.exists()]
    seal.check(run.folder, *there, *seal.freed(run.folder))
    found = Evaluation(evaluate(cfg, best, scratch))
    if validation_again(cfg) and last.is_file():
        found.measured |= validate(cfg, last, run.epochs - 1, scratch)
    recorded = run.metrics
    split = tuple({f"{name.partition('/')[0]}/" for name in found.measured})
    for name in dict.fromkeys([*found.measured, *(name for name in recorded if name.startswith(split))]):
        found.figures.append(figure(name, recorded.get(name), found.measured.get(name)))
    if validation_again(cfg) and str(run.best.get("monitor")).startswith("val/"):
        again = validate(cfg, best, run.best["epoch"], scratch)
        found.figures.append(figure(f"best {run.best['monitor']}", run.monitored, again.get(run.best["monitor"])))
    found.left = [name for name in recorded if not name.startswith(split)]
    exact = {name: float.fromhex(value) for name, value in held["metrics"].items()}
    for name in {**recorded, **exact}:
        one, other = recorded.get(name), exact.get(name)
        if (problem := figure(f"result.json {name}", one, other)).apart is not None:
            words = f"{problem.words} in manifest.json"
            found.figures.append(Figure(name, one, other, float("inf"), words))
    return found
