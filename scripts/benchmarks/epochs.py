"""Time Encore's epochs one by one, alternating with epochs of something else."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import encore
from benchmarks.clock import Clock
from benchmarks.hand_written import Examples, HandWritten, HandWrittenTriplets, Texts
from benchmarks.seconds import Seconds
from encore.callbacks import losses
from encore.config.build import build
from encore.data.module import DataModule
from encore.data.named.named_source import ColumnSource
from encore.data.named.ragged import Ragged
from encore.errors import NotReproduced
from encore.optim.optimizer import build_optimizer
from encore.record.checkpoint_files import LAST, load
from encore.record.result import Result
from encore.runner.torch_settings import convolutions_channels_last
from encore.seeding import derive


class Terminal(io.TextIOBase):
    """A terminal that discards its output: progress bars are drawn, but not shown."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def unseen() -> Iterator[None]:
    """Redirect output to a discarding terminal."""
    with redirect_stdout(Terminal()), redirect_stderr(Terminal()):
        yield


def encore_epochs(
    overrides: list[str], between: Callable[[int], None] = lambda epoch: None, threads: int = 1
) -> tuple[Result, list[Seconds]]:
    """Run Encore, and time its epochs from the beginning of one to the beginning of the next.

    Args:
        overrides: the run's settings.
        between: called before each epoch with its number; its time does not count.
        threads: of the run.

    Returns:
        The run's result, and the seconds of every epoch but the last: training, validation, logs and checkpoints.
    """
    clock = Clock(cuda="trainer.accelerator=cuda" in overrides)
    seconds: list[Seconds] = []
    plain = DataModule.note

    def note(data: DataModule, epoch: int, indices: Tensor) -> None:
        if epoch:
            seconds.append(clock.read())
        between(epoch)
        clock.start()
        plain(data, epoch, indices)

    with mock.patch.object(DataModule, "note", note), unseen():
        result = encore.run([*overrides, f"threads={threads}"])
    return result, seconds


def side_by_side(overrides: list[str], epoch: Callable[[int], None]) -> tuple[Result, list[Seconds], list[Seconds]]:
    """Run both sides in turns, one epoch each.

    Args:
        overrides: the settings of Encore's run.
        epoch: the other side's work in the epoch whose number it is given.

    Returns:
        Encore's result, its seconds and the other side's, by epochs, without the first, which warms up, and the last.
    """
    other: list[Seconds] = []
    clock = Clock(cuda="trainer.accelerator=cuda" in overrides)

    def between(number: int) -> None:
        with as_by_hand():
            clock.start()
            epoch(number)
            other.append(clock.read())

    result, mine = encore_epochs(overrides, between)
    return result, mine[1:], other[1:-1]


@contextmanager
def as_by_hand() -> Iterator[None]:
    """Without Lightning's `deterministic`, which a hand-written loop does not need on a CPU to give the same bits."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(before[0] and torch.cuda.is_initialized(), warn_only=before[1])
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def hand_written(cfg: dict, kind: type[HandWritten] = HandWritten) -> HandWritten:
    """The hand-written loop on a config's data, net and optimiser, from the same initial weights."""
    device = torch.device(cfg["trainer"]["accelerator"])
    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    data.setup()
    torch.manual_seed(derive(cfg["seed"], "weights"))
    net = build(cfg["model"], what="model").to(device)
    convolutions_channels_last(net)
    settings: dict[str, Any] = {
        "examples": by_hand(data, device),
        "net": net,
        "optimizer": build_optimizer(cfg["optim"], net, device),
        "batch_size": cfg["data"]["batch_size"],
        "eval_batch_size": cfg["data"]["eval_batch_size"],
    }
    if cfg["data"].get("order") is None:
        return kind(order_seed=lambda epoch: derive(cfg["seed"], "order", epoch), **settings)
    settings |= {"each": cfg["data"]["order"]["each"], "scale": cfg["task"]["scale"]}
    return HandWrittenTriplets(order_seed=lambda epoch: derive(cfg["seed"], "together", epoch), **settings)


def by_hand(data: DataModule, device: torch.device) -> Examples | Texts:
    """A data module's examples, as a loop holds them that is written for them alone."""
    source, split = data.source, data.split
    if isinstance(source, ColumnSource):
        texts = source.columns.get("inputs.tokens")
        if isinstance(texts, Ragged):
            parts = (texts.values, texts.offsets, source.targets, split.train, split.val)
            return Texts(*(part.to(device) for part in parts))
        (affine,) = data.affines.values()
    else:
        affine = data.normalize
    inputs = source.read(range(len(source.targets)))
    pixels = (inputs, source.targets, split.train, split.val, affine.center, affine.scale)
    return Examples(*(part.to(device) for part in pixels))


def check_same(result: Result, loop: HandWritten) -> None:
    """Raise NotReproduced if run and loop differ in any bit of a loss or weight, or in validation results."""
    by_run, by_hand = torch.tensor(losses.read(result.folder)), torch.cat(loop.losses)
    if not torch.equal(by_run, by_hand):
        raise NotReproduced(f"the losses of {result.folder} are not those of the hand-written loop")
    weights = load(result.folder / "checkpoints" / LAST)["state_dict"]
    for name, tensor in loop.net.state_dict().items():
        if not torch.equal(weights[f"net.{name}"].cpu(), tensor.cpu()):
            raise NotReproduced(f"net.{name} of {result.folder} is not that of the hand-written loop")
    for name, value in (("val/loss", loop.val_loss), ("val/accuracy", loop.val_accuracy)):
        if name in result.metrics and abs(result.metrics[name] - value) > 1e-5 * abs(value):
            raise NotReproduced(f"{name} of {result.folder} is {result.metrics[name]:g}, by hand {value:g}")
