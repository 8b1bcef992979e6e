"""`scripts/transfer.py`: test accuracy by the number of training examples, for nets that start in several ways."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.files import make_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from encore.analysis.results.groups import Group
    from encore.analysis.results.run_table import Table

METRIC = "test/accuracy"
WORDS = {"nothing": "from nothing", "all": "all layers trained on", "head": "frozen body, new head"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw test accuracy by the number of training examples.")
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN", help="runs, or folders of runs")
    parser.add_argument("--by", default="vars.start", metavar="SETTING", help="of which a line each (vars.start)")
    parser.add_argument("--out", type=Path, default=Path("transfer.png"), help="picture to write: .png, .svg or .pdf")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    # matplotlib and pandas are imported only now, so that mistakes are reported at once
    from encore.analysis.results.figure_files import save
    from encore.analysis.results.finished import finished

    table, _ = finished(wanted.runs, least=1, alike=True)
    drawn = figure(table, wanted.by)
    make_folder(wanted.out.parent)
    save(drawn, wanted.out)
    print(wanted.out)


def figure(table: "Table", by: str) -> "Figure":
    """A panel for each dataset: means over seeds with their 95 % intervals.

    Raises:
        ConfigError: `by` is not a setting of these runs.
        InputError: none of them has a test accuracy.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    from encore.analysis.results.axes import plain, tidy
    from encore.analysis.results.groups import groups

    found = [group for group in groups(table, ["data.name", "data.fraction", by], METRIC) if group.found]
    datasets = sorted({group.settings["data.name"] for group in found})
    starts = sorted({group.settings[by] for group in found}, key=lambda start: [*WORDS, start].index(start))
    drawn = Figure(figsize=(3.3 * len(datasets), 2.6), layout="constrained")
    for axes, dataset in zip(drawn.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        here = [group for group in found if group.settings["data.name"] == dataset]
        for start in starts:
            line(axes, [group for group in here if group.settings[by] == start], WORDS.get(start, start))
        axes.set(xscale="log", xlabel="training examples", ylabel="test accuracy", title=plain(dataset))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        tidy(axes)
    drawn.axes[0].legend(fontsize="small", frameon=False)
    return drawn


def line(axes: "Axes", held: Sequence["Group"], label: str) -> None:
    """Means with their intervals, by the number of training examples."""
    from encore.analysis.results.axes import plain

    points = sorted((examples(group), group.mean(), group.summary) for group in held)
    ends = [(one.low if one.low is not None else one.mean, one.high or one.mean) for *_, one in points if one]
    means = [mean for _, mean, _ in points]
    spread = [[mean - low for mean, (low, _) in zip(means, ends, strict=True)]]
    spread.append([high - mean for mean, (_, high) in zip(means, ends, strict=True)])
    axes.errorbar(
        [count for count, *_ in points], means, spread, marker="o", markersize=4, capsize=3, label=plain(label)
    )


def examples(group: "Group") -> int:
    """How many examples a group's runs were trained on."""
    from encore.record.reading import read_manifest

    return int(read_manifest(Path(group.folders[0]))["data"]["sizes"]["train"])
