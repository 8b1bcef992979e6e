"""The table of generalisation gaps: one row per group of runs."""

from dataclasses import dataclass
from typing import Any

from encore.analysis.results.groups import Group
from encore.analysis.results.run_table import REPEATED, Table
from encore.analysis.results.statistics import Comparison, Summary, compare
from encore.analysis.results.table_formats import Rows, number

LOSS_GAP, ACCURACY_GAP = "loss gap", "accuracy gap"


@dataclass(frozen=True)
class GapTable:
    """Groups of runs with their measurements.

    Attributes:
        table: the runs.
        by: the settings that define a group.
        split: the held-out split.
        of: by measure, such as `train loss`, the same groups in the same order.
        plain: label of the group that the others are compared with; None for none.
    """

    table: Table
    by: list[str]
    split: str
    of: dict[str, list[Group]]
    plain: str | None

    @property
    def groups(self) -> list[Group]:
        """The groups, with the gap in the loss as their value."""
        return self.of[LOSS_GAP]

    @property
    def plain_group(self) -> Group | None:
        """The group that the others are compared with."""
        return next((group for group in self.groups if group.label == self.plain), None)

    @property
    def compared(self) -> tuple[str, str]:
        """The measures in which groups are compared."""
        return LOSS_GAP, f"{self.split} loss"

    def difference(self, measure: str, place: int) -> Comparison | None:
        """How a group differs from the plain one; None for the plain one itself, or if a comparison is impossible."""
        found = self.of[measure]
        base = next(group for group in found if group.label == self.plain)
        if found[place] is base or not (base.found and found[place].found):
            return None
        over = " and ".join(REPEATED[name] for name in self.table.repeats(self.by))
        return compare(base.by_repetition, found[place].by_repetition, over)

    def rows(self) -> Rows:
        split = self.split
        heading = [*(self.by or ["runs"]), "n", "train loss", f"{split} loss", "gap ± std", "95 % interval"]
        heading += ["train accuracy", f"{split} accuracy", "gap ± std"]
        heading += [f"{name} − {self.plain}" for name in self.compared] if self.plain else []
        return [heading, *(self.row(place) for place in range(len(self.groups)))]

    def row(self, place: int) -> list[str]:
        found = {name: each[place].summary for name, each in self.of.items()}
        mean = {name: number(each.mean if each else None) for name, each in found.items()}
        group, split = self.groups[place], self.split
        cells = [*(group.shown or [group.label]), str(len(group.found)), mean["train loss"], mean[f"{split} loss"]]
        cells += [spread(found[LOSS_GAP]), interval(found[LOSS_GAP])]
        cells += [mean["train accuracy"], mean[f"{split} accuracy"], spread(found[ACCURACY_GAP])]
        return cells + [shown(self.difference(name, place)) for name in self.compared] if self.plain else cells

    def values(self) -> list[list[Any]]:
        """In full precision."""
        heading = [*(self.by or ["runs"]), "n"]
        heading += [f"{name} {part}".replace(" ", "_") for name in self.of for part in ("mean", "std", "low", "high")]
        if self.plain:
            parts = ("difference", "low", "high", "p")
            heading += [
                f"{name} less {self.plain} {part}".replace(" ", "_") for name in self.compared for part in parts
            ]
        return [heading, *(self.numbers(place) for place in range(len(self.groups)))]

    def numbers(self, place: int) -> list[Any]:
        group = self.groups[place]
        cells: list[Any] = [*(group.settings.values() or [group.label]), len(group.found)]
        for each in self.of.values():
            found = each[place].summary
            cells += [found.mean, found.std, found.low, found.high] if found else [None] * 4
        for name in self.compared if self.plain else ():
            one = self.difference(name, place)
            cells += [one.difference, one.low, one.high, one.p] if one else [None] * 4
        return cells


def spread(found: Summary | None) -> str:
    return "–" if found is None else f"{number(found.mean)} ± {number(found.std)}"


def interval(found: Summary | None) -> str:
    return "–" if found is None or found.low is None else f"{number(found.low)} to {number(found.high)}"


def shown(found: Comparison | None) -> str:
    return "–" if found is None else f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
