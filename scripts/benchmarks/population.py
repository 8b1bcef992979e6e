"""Runs that train together, over the same runs one after the other: whole runs, with all that they leave."""

from functools import partial

from benchmarks.clock import Clock
from benchmarks.datasets import Place
from benchmarks.epochs import unseen
from benchmarks.figure import Figure
from benchmarks.seconds import Seconds
from encore.config.compose import config_from
from encore.population.population import Population
from encore.runner.execute import execute

GATES = ["experiment=xor_2_layers_sgd", "task.init_seed=null"]
DIGITS = ["data=digits", "model=mlp", "optim=adam"]
LARGE = ["model=mlp", "model.widths=[128]", "optim=adam", "data.batch_size=512", "trainer.max_epochs=3"]


def population_gates(place: Place) -> Figure:
    """A net of two hidden units on the four rows of XOR, 10,001 epochs; 32 members."""
    return gain(place, GATES, 32, alone=2, warm=["trainer.max_epochs=20"])


def population_digits(place: Place) -> Figure:
    """The MLP 64-128-10 on digits, batch 64, 30 epochs; 32 members."""
    return gain(place, DIGITS, 32, alone=6, warm=["trainer.max_epochs=2"])


def population_large(place: Place) -> Figure:
    """The MLP 784-128-10 on Fashion-MNIST, batch 512, three epochs; 8 members."""
    return gain(place, [*place.fashion_mnist(), *LARGE], 8, alone=2, warm=["trainer.max_epochs=1"])


def gain(place: Place, settings: list[str], members: int, alone: int, warm: list[str]) -> Figure:
    """A run's seconds alone over its share of a population's; half of the runs alone come before it, half after."""
    given = [*place.settings, *settings, "threads=1"]
    with unseen():
        for size in (None, 2):
            together([*given, *warm], range(2), size)
    clocks: dict[str, list[Seconds]] = {"alone": [], "together": []}
    for seeds, size in ((range(alone // 2), None), (range(members), members), (range(alone // 2, alone), None)):
        clock = Clock(cuda=place.accelerator == "cuda")
        with unseen():
            together(given, seeds, size)
        clocks["together" if size else "alone"].append(clock.read())
    share = clocks["together"][0].counted / members
    samples = [one.counted / (alone / 2) / share for one in clocks["alone"]]
    return Figure.of(samples, clocks)


def together(settings: list[str], seeds: range, size: int | None) -> None:
    """Run a config with several seeds: as one population, or one after the other."""
    population = Population(size or 1)
    for seed in seeds:
        cfg = config_from([*settings, f"seed={seed}", f"population={'null' if size is None else size}"])
        watchers = list if size is None else partial(companions, population)
        population.starts.append(partial(execute, cfg, watchers, silent=True))
    population.go_on()


def companions(population: Population) -> list:
    return [population.companion()]
