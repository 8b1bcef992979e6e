"""Which English a picture's labels still have after they were put into Korean."""

import re
from unittest import mock

from matplotlib.figure import Figure
from matplotlib.text import Text

from encore.analysis.results import language


def left_in_english(figure: Figure, *names: str) -> set[str]:
    """The English words of a figure's labels that are no names of settings; ticks are not looked at.

    Args:
        figure: after it, its labels are Korean.
        names: what may stay.
    """
    with (
        mock.patch.dict("os.environ", {language.VARIABLE: "ko"}),
        mock.patch.object(language, "installed", return_value="DejaVu Sans"),
    ):
        language.translate(figure)
    ticks = {
        id(label)
        for axes in figure.get_axes()
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    said = (label.get_text() for label in figure.findobj(Text) if id(label) not in ticks)
    words = {word for text in said for word in re.findall(r"[A-Za-z][\w.=/-]+", text)}
    return words - {*names, "AUROC", "ROC", "KB", "ms", "nat"}
