"""Figures as files: the same bytes on each call, written whole."""

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from encore.analysis.results.language import translate
from encore.files import replace


def drawn(figure: Figure, kind: str) -> bytes:
    """A figure's file content, the same on each call."""
    translate(figure)
    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "encore"}):
        figure.savefig(content, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def save(figure: Figure, out: Path) -> None:
    """Write a picture in one step; its ending says which kind of file."""
    replace(out, drawn(figure, out.suffix[1:]))
