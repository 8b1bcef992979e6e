"""What an epoch costs, over what it could cost."""

from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.datasets import Place
from benchmarks.epochs import check_same, encore_epochs, hand_written, side_by_side, unseen
from benchmarks.figure import Figure
from benchmarks.seconds import Seconds, typical
from benchmarks.turns import Turns
from benchmarks.usual import PlainLoop, train
from encore.config.compose import config_from
from encore.runner.quiet import quiet

ROUNDS = 5
MLP = ("model=mlp", "model.widths=[128]", "optim=adam")
# Pictures that are tested at the end of a run, which nothing is measured of.
FEW_TESTS = "+trainer.limit_test_batches=1"


def trainer_tax_b512(place: Place) -> Figure:
    """The MLP at batch 512."""
    return trainer_tax(place, [*MLP, "data.batch_size=512"], pairs=41)


def trainer_tax_b64(place: Place) -> Figure:
    """The MLP at batch 64, where a step is shortest."""
    return trainer_tax(place, [*MLP, "data.batch_size=64"], pairs=17)


def trainer_tax_cnn(place: Place) -> Figure:
    """The small CNN on 10 batches an epoch, and as large a part of the validation examples."""
    few = ["data.fraction=0.0214", "data.val_fraction=0.002"]
    return trainer_tax(place, ["model=cnn", "optim=adam", "data.batch_size=128", *few], pairs=25)


def trainer_tax(place: Place, settings: list[str], pairs: int) -> Figure:
    """Encore over the hand-written loop, epoch by epoch; both must end in the same bits."""
    overrides = on_fashion_mnist(place, settings, pairs)
    loop = hand_written(config_from(overrides))
    result, mine, by_hand = side_by_side(overrides, loop.epoch)
    check_same(result, loop)
    return ratio({"Encore": mine, "by hand": by_hand}, same_bits=True)


def text_tax(place: Place, pairs: int = 11, texts: int = 20_000) -> Figure:
    """The mean of texts' embeddings at batch 64: little to compute, and all of it gathered anew for each batch."""
    net = ["model=text_mean", "model.vocabulary=20000", "optim=adam", "data.batch_size=64"]
    overrides = [*place.settings, *place.texts(texts), *net, f"trainer.max_epochs={pairs + 2}"]
    loop = hand_written(config_from(overrides))
    result, mine, by_hand = side_by_side(overrides, loop.epoch)
    check_same(result, loop)
    return ratio({"Encore": mine, "by hand": by_hand}, same_bits=True)


def pairs_tax(place: Place, pairs: int = 9, writers: int = 60) -> Figure:
    """An embedding by triplets at batch 256, which holds eight digits of each writer in it, as writers_verify does."""
    settings = ["task=verification", "task.metrics=null", "model=embedder", "optim=adam", "data.batch_size=256"]
    order = "+data.order={_target_: course.writers.order.together, each: 8}"
    overrides = [*place.settings, *place.writers(writers), *settings, order, f"trainer.max_epochs={pairs + 2}"]
    loop = hand_written(config_from(overrides))
    result, mine, by_hand = side_by_side(overrides, loop.epoch)
    check_same(result, loop)
    return ratio({"Encore": mine, "by hand": by_hand}, same_bits=True)


def data_path(place: Place) -> Figure:
    """A loop over a DataLoader with per-sample transforms, over Encore."""
    overrides = on_fashion_mnist(place, ["model=softmax", "optim=sgd", "data.batch_size=512"], pairs=5)
    _, mine, plain = side_by_side(overrides, PlainLoop(config_from(overrides)).epoch)
    return ratio({"DataLoader": plain, "Encore": mine})


def usual_lightning(place: Place) -> Figure:
    """The usual LightningModule over Encore's."""
    overrides = on_fashion_mnist(place, [*MLP, "data.batch_size=64"], pairs=5)
    cfg = config_from(overrides)
    with unseen(), quiet():
        usual = Turns(lambda epoch_starts: train(cfg, place.folder / "usual", epoch_starts))
        _, mine, theirs = side_by_side(overrides, usual.epoch)
    return ratio({"usual": theirs, "Encore": mine})


def augment_tax(place: Place, steps: int = 6) -> Figure:
    """Augmentation on over off, for a fixed number of steps."""
    overrides = [
        *place.settings, *place.arrays(128 * steps, (3, 32, 32)), "data.batch_size=128",
        "model=cnn", "optim=adam", "trainer.max_epochs=4",
    ]  # fmt: skip
    return ratio(
        in_turns(
            {
                "on": lambda: encore_epochs([*overrides, "augment=[flip_crop,random_erasing]"])[1],
                "off": lambda: encore_epochs([*overrides, "augment=[none]"])[1],
            }
        )
    )


def scaling(place: Place, examples: int = 12_000) -> Figure:
    """The time of an epoch at 4 and 16 times the data, over so many times that of an epoch at 1; the worse of both."""
    settings = [*MLP, "data.batch_size=512"]
    if place.accelerator == "cpu":
        settings.append("data.val_fraction=0.1")

    def run(factor: int, epochs: int) -> Callable[[], list[Seconds]]:
        data = place.arrays(factor * examples, (1, 28, 28))
        return lambda: encore_epochs([*place.settings, *data, *settings, f"trainer.max_epochs={epochs}"])[1]

    seconds = in_turns({"1×": run(1, 8), "4×": run(4, 5), "16×": run(16, 4)})
    samples = {factor: quotients(seconds[f"{factor}×"], seconds["1×"], factor) for factor in (4, 16)}
    worst = max(samples.values(), key=median)
    return Figure.of(worst, seconds, by_factor={f"{factor}×": median(values) for factor, values in samples.items()})


def on_fashion_mnist(place: Place, settings: list[str], pairs: int) -> list[str]:
    """A run's settings, long enough for so many pairs of epochs; on a GPU training alone is timed."""
    alone = ["data.val_fraction=0"] if place.accelerator == "cuda" else []
    epochs = f"trainer.max_epochs={pairs + 2}"
    return [*place.settings, *place.fashion_mnist(), FEW_TESTS, *settings, *alone, epochs]


def in_turns(sides: dict[str, Callable[[], list[Seconds]]]) -> dict[str, list[Seconds]]:
    """Run each side in every round: the typical epochs of its runs, without their first, which warms up."""
    rounds: dict[str, list[Seconds]] = {side: [] for side in sides}
    for _ in range(ROUNDS):
        for side, run in sides.items():
            rounds[side].append(typical(run()[1:]))
    return rounds


def ratio(sides: dict[str, list[Seconds]], **more: Any) -> Figure:
    """The first side over the second, pair by pair; and as a ratio of sums, which hides no epoch that took long."""
    above, below = sides.values()
    of_sums = sum(one.counted for one in above) / sum(one.counted for one in below)
    return Figure.of(quotients(above, below), sides, of_sums=of_sums, **more)


def quotients(above: list[Seconds], below: list[Seconds], factor: int = 1) -> list[float]:
    """Each pair's quotient, over a factor."""
    return [one.counted / (factor * other.counted) for one, other in zip(above, below, strict=True)]
