"""The report at a sweep's end."""

import sys
from collections.abc import Sequence
from pathlib import Path

from encore.errors import InputError


def report(
    folders: Sequence[Path], lost: Sequence[str], to: Path, by: Sequence[str] | None, metric: str, lower: bool
) -> None:
    """Write and show the report on a sweep's runs.

    Args:
        folders: of the runs.
        lost: what became of runs that have none.
        to: the report's folder.
        by: the settings that make groups; all that differs without.
        metric: of the report.
        lower: it is better when it is lower.
    """
    if not folders and not lost:
        return
    from encore.results.study import report_on  # pandas and matplotlib take a second to import

    try:
        found = report_on(dict.fromkeys(folders), metric, by, mixed=True, lower=lower)
    except InputError as nothing:
        print(f"\nthere is nothing to report: {nothing}", file=sys.stderr)
        return
    found.lost.extend(lost)
    found.write(to)
    print(f"\n{found.text()}\n\n{to / 'report.html'}")
