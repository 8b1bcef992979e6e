"""Learning curves."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encore.errors import InputError
from encore.record.result import Result
from encore.results.metrics import curve


def figure(runs: list[Result], metrics: list[str]) -> Figure:
    """Training (dashed) and validation of each run, a panel a metric."""
    drawn = Figure(figsize=(5.2 * len(metrics), 3.6), layout="constrained")
    panels: list[Axes] = list(drawn.subplots(1, len(metrics), squeeze=False)[0])
    for panel, metric in zip(panels, metrics, strict=True):
        for number, run in enumerate(runs):
            label: str | None = f"{run.name}, seed {run.seed}"
            for split, style in (("val", "-"), ("train", "--")):
                try:
                    epochs, values = curve(run.folder, f"{split}/{metric}")
                except InputError:
                    if split == "train":
                        raise
                    continue  # a run without a validation set has one curve
                panel.plot(epochs, values, style, color=f"C{number}", label=label)
                label = None  # a run is named once
        panel.set(xlabel="epoch", ylabel=metric)
        tidy(panel)
    panels[0].plot([], [], "--", color="0.4", label="training")
    panels[0].plot([], [], "-", color="0.4", label="validation")
    panels[0].legend(frameon=False, fontsize="small")
    return drawn


def tidy(axes: Axes) -> None:
    """A quiet grid, and no frame."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
