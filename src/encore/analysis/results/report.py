"""A report on groups of runs, in all its output formats."""

import base64
import csv
import html
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from matplotlib.figure import Figure

from encore.analysis.results.figure_files import drawn
from encore.analysis.results.groups import Group, Pair
from encore.analysis.results.table_formats import (
    Rows,
    aligned,
    escaped,
    fenced,
    literal,
    markdown,
    number,
    plain_cell,
    table,
)
from encore.files import make_folder, replace, write_text, writing

FIGURES, KINDS = ("intervals", "curves", "slices"), ("png", "svg")
ROWS = 20  # of a table on a terminal


@dataclass(frozen=True)
class Report:
    """The contents of a report.

    Attributes:
        metric: the metric reported.
        by: the settings that distinguish the groups.
        pairs: comparisons of two groups.
        notes: caveats about the groups.
        lost: runs without a value, and folders that could not be read, with the reasons.
        figures: by name.
        over: what the repetitions of a group are called.
    """

    metric: str
    by: list[str]
    groups: list[Group]
    pairs: list[Pair]
    notes: list[str]
    lost: list[str]
    figures: dict[str, Figure]
    over: str = "seeds"

    @property
    def title(self) -> str:
        return f"{self.metric} over {self.over}" if any(len(group.found) > 1 for group in self.groups) else self.metric

    @cached_property
    def pictures(self) -> dict[str, bytes]:
        """The figures' files by name."""
        return {f"{name}.{kind}": drawn(figure, kind) for name, figure in self.figures.items() for kind in KINDS}

    def write(self, folder: Path) -> None:
        """Write report.md, .csv, .tex, .html and the figures as PNG and SVG."""
        make_folder(folder)
        for name, content in self.pictures.items():
            replace(folder / name, content)
        for name in {*FIGURES} - {*self.figures}:  # of an earlier report
            for kind in KINDS:
                with writing(folder / f"{name}.{kind}"):
                    (folder / f"{name}.{kind}").unlink(missing_ok=True)
        write_text(folder / "report.md", self.markdown())
        write_text(folder / "report.csv", self.csv())
        write_text(folder / "report.tex", self.latex())
        write_text(folder / "report.html", self.page())

    def means(self) -> Rows:
        if self.title == self.metric:  # a single value has no interval
            return [[*(self.by or ["runs"]), self.metric], *(self.single(group) for group in self.groups)]
        rows = [[*(self.by or ["runs"]), "n", "mean", "std", "95 % interval", "values"]]
        for group in self.groups:
            names = group.shown or [group.label]
            found = group.summary
            if found is None:
                rows.append([*names, "0", "–", "–", "–", ""])
                continue
            interval = "–" if found.low is None else f"{number(found.low)} to {number(found.high)}"
            values = " ".join(number(value) for value in found.values)
            rows.append([*names, str(found.n), number(found.mean), number(found.std), interval, values])
        return rows

    def single(self, group: Group) -> list[str]:
        return [*(group.shown or [group.label]), number(group.mean() if group.found else None)]

    def text(self) -> str:
        means = self.means()
        more = [f"… {len(means) - 1 - ROWS} more"] if len(means) > ROWS + 1 else []
        parts = [self.title, aligned(means[: ROWS + 1]), *more, *self.notes]
        if compared := differences(self.pairs):
            parts += ["", aligned(compared)]
        if self.lost:
            parts += ["", "without a value:", *(f"  {each}" for each in self.lost)]
        return "\n".join(parts)

    def markdown(self) -> str:
        parts = [f"# {literal(self.title)}", markdown(self.means()), *map(literal, self.notes)]
        if compared := differences(self.pairs):
            parts += ["## Comparisons", markdown(compared), NOTE]
        if self.lost:
            parts += ["## Without a value", "\n".join(f"- {literal(each)}" for each in self.lost)]
        parts += [f"![{name}]({name}.png)" for name in self.figures]
        parts += ["## Again", fenced(self.commands())]
        return "\n\n".join(parts) + "\n"

    def csv(self) -> str:
        """report.csv: a row a group, in full precision."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*map(plain_cell, self.by), "metric", "n", "mean", "std", "low", "high", "values", "lost"])
        for group in self.groups:
            found = group.summary
            numbers = [found.mean, found.std, found.low, found.high] if found else [None] * 4
            cells = ["" if value is None else repr(value) for value in numbers]
            values = " ".join(map(repr, group.by_repetition.values()))
            settings = map(plain_cell, [*group.settings.values(), self.metric])
            writer.writerow([*settings, len(group.found), *cells, values, len(group.lost)])
        return text.getvalue()

    def latex(self) -> str:
        """report.tex: a table for booktabs, without the single values."""
        names, (heading, *rows) = len(self.by) or 1, self.means()
        if heading[-1] == "values":
            heading, *rows = [row[:-1] for row in (heading, *rows)]
        columns = "l" * names + "rrrl"[: len(heading) - names]
        lines = [" & ".join(map(escaped, row)) + r" \\" for row in (heading, *rows)]
        begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
        return "\n".join([begin, r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", end, ""])

    def page(self) -> str:
        """report.html: one file that needs nothing else."""
        title = html.escape(self.title)
        body = [f"<h1>{title}</h1>", table(self.means()), *(f"<p>{html.escape(note)}</p>" for note in self.notes)]
        if compared := differences(self.pairs):
            body += ["<h2>Comparisons</h2>", table(compared), f"<p>{html.escape(NOTE)}</p>"]
        if self.lost:
            body += [
                "<h2>Without a value</h2>",
                "<ul>",
                *(f"<li>{html.escape(each)}</li>" for each in self.lost),
                "</ul>",
            ]
        for name in self.figures:
            picture = base64.b64encode(self.pictures[f"{name}.svg"]).decode()
            body.append(f'<img alt="{name}" src="data:image/svg+xml;base64,{picture}">')
        body += ["<h2>Again</h2>", f"<pre>{html.escape(chr(10).join(self.commands()))}</pre>"]
        return PAGE.format(title=title, body="\n".join(body))

    def commands(self) -> list[str]:
        """The commands that reproduce each value and compare it bit for bit."""
        return [f"encore reproduce {shlex.quote(folder)}" for group in self.groups for folder in group.folders]


def differences(compared: Sequence[Pair], of: str = "") -> Rows:
    """One row per comparison of a metric; no rows without comparisons."""
    heading = [of, "difference", "95 % interval", "p", "p (Holm)", "smallest p", "test"]
    rows = [
        [
            f"{pair.b.label} − {pair.a.label}",
            f"{pair.comparison.difference:+.4g}",
            f"{number(pair.comparison.low)} to {number(pair.comparison.high)}",
            f"{pair.comparison.p:.3g}",
            f"{pair.adjusted:.3g}",
            "–" if pair.comparison.smallest_p is None else f"{pair.comparison.smallest_p:.3g}",
            pair.comparison.method,
        ]
        for pair in compared
    ]
    return [heading, *rows] if rows else []


NOTE = (
    "Differences are of means, with their t-intervals; where groups share their seeds, resamples or folds, of those "
    "that both have. These are compared by the sign-flip test, exact up to 20 pairs, whose smallest p depends on the "
    "number of pairs alone; others by Welch's t-test. p (Holm) is adjusted for all comparisons here."
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
td, th {{ padding: .25rem .8rem; text-align: left; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }}
th {{ border-bottom: 2px solid #888 }}
img {{ max-width: 100%; display: block; margin: 1rem 0 }}
pre {{ background: #f5f5f5; padding: .8rem; overflow-x: auto }}
</style>
{body}
</html>
"""
