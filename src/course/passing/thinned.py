"""Nets that dropout leaves of a trained one, alone and averaged (Srivastava et al. 2014)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from course.passing.voting import ORDERS
from encore.analysis.ensembles.predictions import probabilities
from encore.analysis.pictures.learned import learned
from encore.analysis.results.axes import tidy
from encore.analysis.results.finished import finished
from encore.errors import InputError
from encore.seeding import derive


@dataclass(frozen=True)
class Accuracies:
    """Test accuracies: of the whole net, of each thinned one [nets], and of the average of 1, 2, … of them [nets]."""

    whole: float
    alone: np.ndarray
    averaged: np.ndarray


def accuracies(folder: Path, nets: int, seed: int) -> Accuracies:
    """Thin a run's net so many times, each time by other units.

    Raises:
        InputError: the folder is no finished run, or its net has no dropout.
    """
    table, _ = finished([folder], least=1)
    if len(table.runs) > 1:
        raise InputError(f"{folder} holds {len(table.runs)} runs: name one of them")
    with learned(table.runs[0], "") as it:
        source, indices = it.examples("test")
        whole = probabilities(it.parts, source, indices)
        dropping = [each for each in it.parts.task.modules() if isinstance(each, nn.modules.dropout._DropoutNd)]
        if not any(each.p for each in dropping):
            raise InputError(f"{folder} was trained without dropout; regulariser=dropout, or model.dropout=0.5, has it")
        for each in dropping:
            each.train()
        thinned = []
        with torch.random.fork_rng(devices=[]):
            for net in range(nets):
                torch.manual_seed(derive(seed, "thinned", net))
                thinned.append(probabilities(it.parts, source, indices))
        targets = source.targets[indices].numpy()
    every, random = np.stack(thinned), np.random.default_rng(seed)
    sizes = np.arange(1, nets + 1)[:, None, None]
    averaged = [
        ((every[random.permutation(nets)].cumsum(0) / sizes).argmax(-1) == targets).mean(-1) for _ in range(ORDERS)
    ]
    return Accuracies(
        float((whole.argmax(-1) == targets).mean()), (every.argmax(-1) == targets).mean(-1), np.mean(averaged, 0)
    )


def figure(found: Accuracies) -> Figure:
    """Accuracy by the number of thinned nets that are averaged, beside that of the whole net."""
    drawn = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = drawn.subplots()
    sizes = np.arange(1, len(found.averaged) + 1)
    axes.plot(np.ones_like(found.alone), found.alone, ".", color="0.6", label="thinned nets, each alone")
    axes.plot(sizes, found.averaged, color="C0", label="average of so many thinned nets")
    axes.axhline(found.whole, color="C1", linestyle="--", label="the whole net")
    axes.set(xscale="log", xlabel="thinned nets", ylabel="test accuracy")
    axes.legend(frameon=False)
    tidy(axes)
    return drawn
