"""The figures: definitions, limits and display."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.seconds import Seconds, typical


@dataclass(frozen=True)
class Measure:
    """One figure's definition."""

    module: str  # of encore.benchmark that has a function of the figure's name
    what: str
    bar: float | None = None
    at_least: bool = False  # the bar is a floor, not a ceiling
    unit: str = ""


# In the order of the table.
MEASURES = {
    "trainer_tax_b512": Measure("training", "epoch over one by hand; MLP 784-128-10, batch 512", 1.05),
    "trainer_tax_b64": Measure("training", "the same, batch 64", 1.15),
    "trainer_tax_cnn": Measure("training", "the same, the small CNN, batch 128", 1.03),
    "text_tax": Measure("training", "the same, the mean of texts' embeddings, batch 64", 1.1),
    "pairs_tax": Measure("training", "the same, an embedding by triplets of writers' digits, batch 256", 1.05),
    "ddp_tax": Measure("ranks", "epoch of two ranks over one by hand with torch's DDP; MLP, batch 512", 1.1),
    "data_path": Measure("training", "epoch of softmax, batch 512: per-sample transforms over Encore", 15, True),
    "usual_lightning": Measure("training", "epoch of the MLP, batch 64: the usual Lightning over Encore", 5, True),
    "augment_tax": Measure("training", "epoch with flip, crop and erasing over without; CIFAR's shape, CNN", 1.1),
    "views_mlp": Measure("views", "run with what TensorBoard shows over without: experiment=fashion_mnist_mlp", 1.03),
    "views_cnn": Measure("views", "the same, the small CNN on a twentieth of Fashion-MNIST, 3 epochs", 1.03),
    "first_output": Measure("processes", "what will run is said, over python -c 'import hydra'", 4),
    "packed_reading": Measure(
        "packing", "reading JPEGs of 64 × 64: ImageFolder with a DataLoader over packed", 1, True
    ),
    "packed_arrays": Measure("packing", "the same, packed as arrays", 5, True),
    "folder_reading": Measure("packing", "the same, over Encore on the folder itself", 1, True),
    "packed_training": Measure("packing", "epoch of the small CNN, 2 threads, packed over in memory (wall)", 1.2),
    "population_gates": Measure(
        "population", "run alone over one of 32 in a sweep by populations; XOR, 10,001 epochs", 10, True
    ),
    "population_digits": Measure("population", "the same, MLP on digits, 30 epochs", 3, True),
    "population_large": Measure("population", "the same, 16 runs; MLP 784-128-10, batch 512", 0.95, True),
    "startup": Measure("processes", "first optimiser step over the bare imports", 0.75),
    "whole_command": Measure("processes", "python train.py over a process that imports torch and Lightning", 1.6),
    "sweep_overhead": Measure("sweeps", "a run of a sweep in one process beside its steps", 150, unit="ms"),
    "help_seconds": Measure("processes", "python train.py --help", 1, unit="s"),
    "memory": Measure("processes", "peak above the imports over data, model and optimiser", 2),
    "scaling": Measure("training", "epoch at 4 and 16 times the data, over linear", 1.1),
    "checkpoint_share": Measure("records", "checkpoints' part of training", unit="%"),
    "record_step": Measure("records", "losses and positions, a step", unit="µs"),
    "record_run": Measure("records", "the manifest, a run", unit="ms"),
}


@dataclass
class Figure:
    """One measured figure."""

    value: float
    samples: list[float]
    # By side.
    seconds: dict[str, list[Seconds]] = field(default_factory=dict)
    # Further remarks.
    more: dict[str, Any] = field(default_factory=dict)

    def typical_seconds(self) -> dict[str, Seconds]:
        """Each side's medians."""
        return {side: typical(samples) for side, samples in self.seconds.items()}

    @classmethod
    def of(cls, samples: list[float], seconds: dict[str, list[Seconds]] | None = None, **more: Any) -> "Figure":
        return cls(median(samples), samples, seconds or {}, more)


def holds(measure: Measure, value: float) -> bool | None:
    """Whether a value meets its bar; None without one."""
    if measure.bar is None:
        return None
    return value >= measure.bar if measure.at_least else value <= measure.bar


def line(key: str, figure: Figure) -> str:
    """A figure's line, shown as soon as it is measured."""
    measure = MEASURES[key]
    return f"{key:18}{shown(measure, figure.value):>10}  {measure.what}"


def shown(measure: Measure, value: float) -> str:
    """A value with its unit."""
    return f"{value:.2f} {measure.unit}".rstrip()


def table(figures: dict[str, Figure]) -> str:
    """All figures: value, bar, whether it holds, and the seconds of each side, CPU (or GPU) and wall."""
    rows = [("figure", "value", "bar", "holds", "seconds: CPU, wall")]
    for key, measure in MEASURES.items():
        if key in figures:
            figure = figures[key]
            bar = "" if measure.bar is None else f"{'≥' if measure.at_least else '≤'} {measure.bar:g}"
            verdict = {True: "yes", False: "NO", None: ""}[holds(measure, figure.value)]
            rows.append((key, shown(measure, figure.value), bar, verdict, sides(figure)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def sides(figure: Figure) -> str:
    """Each side's seconds, as in `Encore 0.412, 0.415; by hand 0.398, 0.401`."""
    return "; ".join(f"{side} {took.counted:.3f}, {took.wall:.3f}" for side, took in figure.typical_seconds().items())


def write(figures: dict[str, Figure], machine: dict[str, Any], file: Path) -> None:
    """Write figures as JSON."""
    results = {
        key: {
            "value": figure.value,
            "samples": figure.samples,
            "unit": MEASURES[key].unit or "ratio",
            "bar": MEASURES[key].bar,
            "bar_is": "floor" if MEASURES[key].at_least else "ceiling",
            "holds": holds(MEASURES[key], figure.value),
            "what": MEASURES[key].what,
            "seconds": {side: asdict(took) for side, took in figure.typical_seconds().items()},
            **figure.more,
        }
        for key, figure in figures.items()
    }
    file.write_text(
        json.dumps({"results": results, "machine": machine}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
