"""`scripts/paths.py`: the paths that optimisers take through the valley of `experiment=valley`."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.errors import InputError
from encore.files import make_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST, COLUMNS = 12, 4
REACHED = 0.01  # of the loss at the start: how fast a path gets there is said above it


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Draw the paths that runs took through the valley of experiment=valley."
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN", help="runs, or folders of runs")
    parser.add_argument("--out", type=Path, default=Path("paths.png"), help="picture: .png, .svg or .pdf (paths.png)")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    # matplotlib and pandas are imported only now, so that mistakes are reported at once
    from encore.analysis.results.figure_files import save
    from encore.analysis.results.finished import finished, of_each
    from encore.analysis.results.run_table import differing

    table, left_out = finished(wanted.runs, least=1, alike=True)
    table, found = of_each(table, left_out, lambda run: read(run.folder), what="reading")
    if len(table.runs) > MOST:
        raise InputError(f"a picture has room for {MOST} runs, not {len(table.runs)}: name the ones to draw")
    names = [name for name in differing(table) if not name.endswith(".lr")] or ["optim.name"]
    rows = (table.settings[name] if name in table.settings else [run.name for run in table.runs] for name in names)
    titles = [", ".join(values) for values in zip(*rows, strict=True)]
    make_folder(wanted.out.parent)
    save(figure(titles, found), wanted.out)
    print(wanted.out)


@dataclass(frozen=True)
class Descent:
    """The path of a run: its weights before each step, and the loss there."""

    steep: list[float]
    flat: list[float]
    losses: list[float]

    def reached(self) -> str:
        steps = next((step for step, loss in enumerate(self.losses) if loss <= REACHED * self.losses[0]), None)
        return f"1 % of the loss after {steps} steps" if steps is not None else f"{len(self.losses)} steps were too few"


def read(folder: Path) -> Descent:
    """The path of a run.

    Raises:
        InputError: the run is none of `experiment=valley`.
    """
    from encore.analysis.results.metrics import timeline

    steep, flat, losses = (timeline(folder, name)[1] for name in ("path/w0", "path/w1", "train/loss"))
    return Descent(steep, flat, losses)


def figure(titles: list[str], found: list[Descent]) -> "Figure":
    """A titled panel for each path, over the valley's contours."""
    import numpy as np
    from matplotlib.figure import Figure

    from encore.analysis.results.axes import plain

    columns = min(len(found), COLUMNS)
    rows = -(-len(found) // columns)
    drawn = Figure(figsize=(1 + 3 * columns, 3 * rows), layout="constrained")
    panels = drawn.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    flat, steep = np.meshgrid(np.linspace(-4, 11, 200), np.linspace(-2, 2, 200))
    for title, descent, axes in zip(titles, found, panels.flat, strict=False):
        axes.contour(
            flat, steep, 25 * steep**2 + flat**2 / 2, levels=np.geomspace(0.1, 150, 12), colors="0.8", linewidths=0.6
        )
        axes.plot(descent.flat, descent.steep, ".-", markersize=3, linewidth=0.8)
        axes.plot(0, 0, "k+")
        axes.set(xlim=(-4, 11), ylim=(-2, 2))
        axes.set_title(f"{plain(title)}\n{descent.reached()}", fontsize="medium")
    for axes in panels.flat[len(found) :]:
        axes.set_axis_off()
    drawn.supxlabel("weight of the flat direction", fontsize="medium")
    drawn.supylabel("weight of the steep direction", fontsize="medium")
    return drawn
