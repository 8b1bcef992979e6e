"""Figures reach every logger that can show pictures."""

from types import SimpleNamespace

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from encore.tasks.pictures import show


class Shown:
    """A logger of one's own that shows pictures."""

    def __init__(self):
        self.pictures = []

    def show_image(self, tag, picture, step):
        self.pictures.append((tag, picture.shape, picture.dtype.name, step))


def test_loggers_that_show_pictures_get_a_figure_as_one():
    figure = Figure(figsize=(3, 2), dpi=100)
    FigureCanvasAgg(figure)
    logger, numbers_only = Shown(), SimpleNamespace()
    show(SimpleNamespace(global_step=20, loggers=[numbers_only, logger]), "lr_finder", figure)
    assert logger.pictures == [("lr_finder", (200, 300, 3), "uint8", 19)]
