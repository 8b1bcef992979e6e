"""Tables and texts for a terminal, in Markdown, CSV, HTML and LaTeX; nothing that a record says comes alive there."""

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from encore.terminal import harmless

WIDEST = 200  # characters of a cell on a terminal
# What Markdown reads as more than text; :// and www. become links by themselves.
SIGNS = re.compile(r"[\\|<>*_`\[\]!&~@]|:(?=//)|(?<=www)\.", re.I)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
Rows = list[list[str]]  # the first is the heading


def number(value: float | None) -> str:
    """Four significant digits, or four decimals from 0.1 to 1; – for None."""
    if value is None:
        return "–"
    return f"{value:.4f}" if 0.1 <= abs(value) < 1 else f"{value:.4g}"


def aligned(rows: Rows) -> str:
    """A table for a terminal."""
    rows = [[clipped(" ".join(cell.split())) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def clipped(cell: str) -> str:
    """What fits into a table."""
    return cell if len(cell) <= WIDEST else f"{cell[: WIDEST - 1]}…"


def markdown(rows: Rows) -> str:
    """A table in Markdown."""
    heading, *rest = [[literal(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, ["---"] * len(heading), *rest))


def literal(cell: str) -> str:
    """Text that Markdown shows as it is: in what a record says, no link or picture comes alive."""
    return SIGNS.sub(r"\\\g<0>", harmless(" ".join(cell.split())))


def fenced(lines: Sequence[str]) -> str:
    """Commands in a block of Markdown that none of them ends."""
    text = "\n".join(harmless(line).replace("\n", r"\n") for line in lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}bash\n{text}\n{fence}"


def plain_cell(value: Any) -> Any:
    """A cell of CSV that no spreadsheet takes for a formula: before its sign stands an apostrophe, as OWASP advises."""
    text = harmless(value) if isinstance(value, str | Path) else None
    if text is None or not text.lstrip(" ").startswith(FORMULA) or all(map(is_number, text.split())):
        return value if text is None else text
    return f"'{text}"


def is_number(word: str) -> bool:
    """Whether a spreadsheet reads it as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def table(rows: Rows) -> str:
    """A table in HTML."""

    def line(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    heading, *rest = rows
    return "\n".join(["<table>", line(heading, "th"), *(line(row, "td") for row in rest), "</table>"])


SPECIAL = {
    "\\": r"\textbackslash{}", "–": "--", "−": "$-$", "·": r"$\cdot$", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "\n": " ",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


def escaped(text: str) -> str:
    """Escape text for LaTeX; a row must not start with [, which would be read as a length."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)
