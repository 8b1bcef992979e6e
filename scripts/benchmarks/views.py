"""What it costs to show a run in TensorBoard: whole runs with their views, over runs without."""

import encore
from benchmarks.clock import Clock
from benchmarks.datasets import Place
from benchmarks.epochs import unseen
from benchmarks.figure import Figure
from benchmarks.seconds import Seconds
from encore.config.defaults import OF_VIEWS
from encore.errors import NotReproduced

WITHOUT = [f"{path}=null" for path in OF_VIEWS]


def views_mlp(place: Place, pairs: int = 3) -> Figure:
    """The MLP of experiment=fashion_mnist_mlp, ten epochs."""
    return over_bare(place, ["model=mlp", "model.widths=[128]", "optim=adam", "trainer.max_epochs=10"], pairs)


def views_cnn(place: Place, pairs: int = 3) -> Figure:
    """The small CNN on a twentieth of the training examples, three epochs."""
    few = ["data.fraction=0.05", "data.batch_size=64", "trainer.max_epochs=3"]
    return over_bare(place, ["model=cnn", "optim=adam", *few], pairs)


def over_bare(place: Place, settings: list[str], pairs: int) -> Figure:
    """Runs with the default views over runs without, in turns; the first pair warms up. Both end in the same bits."""
    overrides = [*place.settings, *place.fashion_mnist(), *settings, "threads=1"]
    seconds: dict[str, list[Seconds]] = {"with": [], "without": []}
    for number in range(pairs + 1):
        digests = set()
        for side, changes in (("with", []), ("without", WITHOUT)):
            clock = Clock(cuda=place.accelerator == "cuda")
            with unseen():
                digests.add(encore.run([*overrides, *changes]).weights_sha256)
            if number:
                seconds[side].append(clock.read())
        if len(digests) > 1:
            raise NotReproduced("views change the weights")
    samples = [one.counted / other.counted for one, other in zip(seconds["with"], seconds["without"], strict=True)]
    return Figure.of(samples, seconds)
