"""Test examples that the net gets wrong, or is least certain of."""

import pytorch_lightning as pl
from torch import Tensor

from encore.callbacks.views.drawing import BLUE, INK, ORANGE, Caption, sized, tiles
from encore.callbacks.views.examples import pictures_of_test
from encore.callbacks.views.predictions import Predictions, PredictionView
from encore.callbacks.views.view import last_step, show

COUNT, COLUMNS, SIDE = 18, 6, 88


class Mistakes(PredictionView):
    """Show the test pictures that the best weights are most confidently wrong about, and are least certain of."""

    def show(self, trainer: pl.Trainer, tested: Predictions) -> None:
        if tested.indices is None:
            return
        wrong = (tested.predicted != tested.truth).nonzero()[:, 0]
        sure = tested.confidence
        surest = wrong[sure[wrong].argsort(descending=True, stable=True)][:COUNT]
        self.draw(trainer, tested, surest, "most_confidently_wrong", f"{len(wrong):,} of {len(sure):,} are wrong")
        self.draw(trainer, tested, sure.argsort(stable=True)[:COUNT], "least_certain", "The lowest probabilities")

    def draw(self, trainer: pl.Trainer, tested: Predictions, chosen: Tensor, tag: str, title: str) -> None:
        """Show some of the test examples with what was predicted, how surely, and what is true."""
        assert tested.indices is not None
        pictures = pictures_of_test(getattr(trainer, "datamodule", None), tested.indices[chosen])
        if pictures is not None:
            captions = [caption(tested, number) for number in chosen.tolist()]
            drawn = tiles(sized(pictures, SIDE), COLUMNS, f"{title}; above the prediction, below the class", captions)
            show(trainer, "show_image", f"mistakes/{tag}", drawn, last_step(trainer))


def caption(tested: Predictions, number: int) -> Caption:
    """The prediction of an example, and its class."""
    truth, predicted = int(tested.truth[number]), int(tested.predicted[number])
    told = f"{float(tested.confidence[number]):.0%} {tested.names[predicted]}"
    return [(told, BLUE if predicted == truth else ORANGE), (f"is {tested.names[truth]}", INK)]
