"""Test examples that the net gets wrong, or is least certain of."""

import pytorch_lightning as pl
from torch import Tensor

from encore.callbacks.views.drawing import BLUE, INK, ORANGE, Caption, sized, tiles
from encore.callbacks.views.examples import test_pictures
from encore.callbacks.views.tested import Tested, TestView
from encore.callbacks.views.view import last_step, show

COUNT, COLUMNS, SIDE = 24, 6, 96


class Mistakes(TestView):
    """Show the test pictures that the best weights are most confidently wrong about, and are least certain of."""

    def show(self, trainer: pl.Trainer, tested: Tested) -> None:
        if tested.indices is None:
            return
        wrong = (tested.predicted != tested.truth).nonzero()[:, 0]
        sure = tested.confidence
        surest = wrong[sure[wrong].argsort(descending=True, stable=True)][:COUNT]
        self.draw(trainer, tested, surest, "most_confidently_wrong", f"{len(wrong):,} of {len(sure):,} are wrong")
        self.draw(trainer, tested, sure.argsort(stable=True)[:COUNT], "least_certain", "The lowest probabilities")

    def draw(self, trainer: pl.Trainer, tested: Tested, chosen: Tensor, tag: str, title: str) -> None:
        """Show some of the test examples with what was predicted, how surely, and what is true."""
        assert tested.indices is not None
        pictures = test_pictures(getattr(trainer, "datamodule", None), tested.indices[chosen])
        if pictures is not None:
            captions = [caption(tested, number) for number in chosen.tolist()]
            drawn = tiles(sized(pictures, SIDE), COLUMNS, f"{title}; predicted, and below it the class", captions)
            show(trainer, "show_image", f"mistakes/{tag}", drawn, last_step(trainer))


def caption(tested: Tested, number: int) -> Caption:
    """The prediction of an example, and its class."""
    truth, predicted = int(tested.truth[number]), int(tested.predicted[number])
    told = f"{float(tested.confidence[number]):.0%} {tested.names[predicted]}"
    return [(told, BLUE if predicted == truth else ORANGE), (tested.names[truth], INK)]
