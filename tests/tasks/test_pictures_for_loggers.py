"""Figures reach every logger that can show pictures."""

from types import SimpleNamespace

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from encore.tasks.pictures import show, shows_pictures


class Shown:
    """A logger of one's own that shows pictures."""

    def __init__(self):
        self.pictures = []

    def show_image(self, tag, picture, step):
        self.pictures.append((tag, picture.shape, picture.dtype.name, step))


def test_a_logger_of_ones_own_gets_a_figure_as_a_picture():
    figure = Figure(figsize=(3, 2), dpi=100)
    FigureCanvasAgg(figure)
    logger = Shown()
    assert shows_pictures(logger)
    show(logger, "lr_finder", figure, SimpleNamespace(global_step=20))
    assert logger.pictures == [("lr_finder", (200, 300, 3), "uint8", 19)]
    assert not shows_pictures(SimpleNamespace())
