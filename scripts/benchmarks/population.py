"""Sweeps whose runs train together, over the same sweeps one run after the other, with all that the runs leave."""

import sys
from typing import Any
from unittest import mock

from benchmarks.clock import Clock
from benchmarks.datasets import Place
from benchmarks.epochs import unseen
from benchmarks.figure import Figure
from benchmarks.seconds import Seconds
from encore.commands.train import main
from encore.sweep.launch import Launch

GATES = ["experiment=xor_2_layers_sgd", "task.init_seed=null"]
DIGITS = ["data=digits", "model=mlp", "optim=adam"]
LARGE = ["model=mlp", "model.widths=[128]", "optim=adam", "data.batch_size=512", "trainer.max_epochs=3"]


def population_gates(place: Place) -> Figure:
    """A net of two hidden units on the four rows of XOR, 10,001 epochs; 32 runs."""
    return gain(place, GATES, 32, alone=1)


def population_digits(place: Place) -> Figure:
    """The MLP 64-128-10 on digits, batch 64, 30 epochs; 32 runs."""
    return gain(place, DIGITS, 32, alone=6)


def population_large(place: Place) -> Figure:
    """The MLP 784-128-10 on Fashion-MNIST, batch 512, three epochs; 16 runs."""
    return gain(place, [*place.fashion_mnist(), *LARGE], 16, alone=4)


def gain(place: Place, settings: list[str], runs: int, alone: int) -> Figure:
    """A run's seconds in a sweep without populations, over its share of one with them.

    Args:
        settings: of all runs.
        runs: how many there are.
        alone: how many are enough to time one alone: that many before the others, and as many after them.
    """
    words = [*place.settings, *settings, "threads=1"]
    for launcher in ("basic", "population"):
        launched([*words, "trainer.max_epochs=2"], range(3), launcher)
    took: dict[str, list[Seconds]] = {"alone": [], "together": []}
    for side, launcher, seeds in (
        ("alone", "basic", range(alone)), ("together", "population", range(runs)),
        ("alone", "basic", range(alone, 2 * alone)),
    ):  # fmt: skip
        of_all = launched(words, seeds, launcher)
        took[side].append(Seconds(of_all.cpu / len(seeds), of_all.wall / len(seeds)))
    return Figure.of([one.cpu / took["together"][0].cpu for one in took["alone"]], took)


def launched(words: list[str], seeds: range, launcher: str) -> Seconds:
    """Sweep over seeds, and give the seconds that the runs took, with their composition and without the report."""
    clock, plain = Clock(cuda=False), Launch.run

    def run(*given: Any) -> Any:
        clock.start()
        found = plain(*given)
        seconds.append(clock.read())
        return found

    seconds: list[Seconds] = []
    sweep = f"seed=range({seeds.start},{seeds.stop})"
    with (
        mock.patch.object(sys, "argv", ["train.py", "-m", *words, sweep, f"hydra/launcher={launcher}"]),
        mock.patch.object(Launch, "run", run),
        unseen(),
    ):
        main()
    return seconds[0]
