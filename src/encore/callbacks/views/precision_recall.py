"""Precision against recall."""

import pytorch_lightning as pl

from encore.callbacks.views.predictions import Predictions, PredictionView
from encore.callbacks.views.view import last_step, show

MOST = 20  # classes


class PrecisionRecall(PredictionView):
    """Show a precision-recall curve of each class, the first 20 at most; of two classes, that of the second."""

    def show(self, trainer: pl.Trainer, tested: Predictions) -> None:
        classes = [1] if len(tested.names) == 2 else range(min(MOST, len(tested.names)))
        for each in classes:
            belongs, probabilities = (tested.truth == each).numpy(), tested.probabilities[:, each].numpy()
            tag = f"precision_recall/{tested.names[each].replace('/', ' or ')}"
            show(trainer, "show_precision_recall", tag, belongs, probabilities, last_step(trainer))
