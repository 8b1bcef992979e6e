"""The report at a sweep's end."""

import sys
from collections.abc import Sequence
from pathlib import Path

from encore.errors import InputError
from encore.terminal import harmless


def report(
    folders: Sequence[Path], lost: Sequence[str], to: Path, by: Sequence[str] | None, metric: str, lower: bool
) -> None:
    """Write and show the report on a sweep's runs.

    Args:
        folders: the runs' folders.
        lost: what became of the runs without a folder.
        to: the report's folder.
        by: the settings that define groups; None: all that differ.
        metric: the report's metric.
        lower: whether lower values are better.
    """
    if not folders and not lost:
        return
    from encore.analysis.results.study import report_on  # pandas and matplotlib take a second to import

    try:
        found = report_on(dict.fromkeys(folders), metric, by, mixed=True, lower=lower)
    except InputError as nothing:
        print(f"\nthere is nothing to report: {harmless(nothing)}", file=sys.stderr)
        return
    found.lost.extend(lost)
    found.write(to)
    print(f"\n{harmless(found.text())}\n\n{to / 'report.html'}")
