"""What nets cost: parameters, bytes, multiply-adds, and time."""

import copy
import gzip
import io
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course.efficient.quantization import dynamic, static
from encore.config.facts import has_test, without_test
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST
from encore.runner.parts import Parts
from encore.runner.restored_run import restored_run

BATCHES = (1, 256)
CALIBRATION = 256  # training examples that give a static net's scales
ROUNDS, SECONDS = 15, 0.02  # of a net's timing: how often, and at least how long


@dataclass
class Net:
    """A net and what it costs; the milliseconds of a batch, a value for each round, by the batch's length."""

    label: str
    accuracy: float
    parameters: int
    nonzero: int
    bytes: int
    zipped: int
    multiply_adds: int
    module: nn.Module = field(repr=False)
    shape: list[int] = field(repr=False)
    times: dict[int, list[float]] = field(default_factory=dict)

    def median(self, batch: int) -> float:
        return statistics.median(self.times[batch])

    def quartiles(self, batch: int) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.times[batch], n=4)
        return low, high


def measure(folder: Path, int8: bool = True) -> list[Net]:
    """A run's net as it is and, if asked for, in int8, not timed yet.

    Raises:
        InputError: the run cannot be used, learns no classes, or has no test set.
    """
    cfg = recorded_config(folder)
    if cfg["data"].get("num_classes") is None or cfg["task"].get("num_outputs") is None:
        raise InputError(f"{folder} learns no classes, whose accuracy could be measured")
    if not has_test(cfg):
        raise InputError(f"{folder} {without_test(cfg)}")
    with restored_run(folder, cfg, BEST) as parts, one_unchecked_thread():
        task = parts.task.cpu()
        net: nn.Module = copy.deepcopy(task.net)  # type: ignore[assignment]
        test = list(examples(parts))
        shape = list(test[0][0].shape[1:])
        kinds: dict[str, nn.Module | None] = {"": net}
        if int8:
            kinds |= {"int8 dynamic": dynamic(net), "int8 static": static(net, parts.data.example(CALIBRATION)[0])}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.zeros(1, *shape))
        parameters = list(net.parameters())
        return [
            Net(
                label=" · ".join(filter(None, [name_of(cfg), kind])),
                accuracy=accuracy(made, test),
                parameters=sum(each.numel() for each in parameters),
                nonzero=sum(int(each.count_nonzero()) for each in parameters),
                bytes=len(content := saved(made)),
                zipped=len(gzip.compress(content, mtime=0)),
                multiply_adds=counter.get_total_flops() // 2,
                module=made,
                shape=shape,
            )
            for kind, made in kinds.items()
            if made is not None
        ]


def name_of(cfg: dict) -> str:
    """A run's model, and how it was made small."""
    said = [cfg["model"]["name"]]
    if cfg["task"]["_target_"].endswith(".Distillation"):
        said.append("distilled")
    said += [f"{recipe['share']:g} pruned" for recipe in cfg["callbacks"].values() if recipe and "share" in recipe]
    return " · ".join(said)


def examples(parts: Parts) -> Iterator[tuple[Tensor, Tensor]]:
    """The test set's batches, on the CPU."""
    data = parts.data
    for inputs, targets in data.evaluation(data.opened_test(), data.test_indices):
        yield inputs.cpu(), targets.cpu()


@torch.inference_mode()
def accuracy(net: nn.Module, test: Iterable[tuple[Tensor, Tensor]]) -> float:
    right = [(net(inputs).argmax(1) == targets).float() for inputs, targets in test]
    return float(torch.cat(right).mean())


def saved(net: nn.Module) -> bytes:
    """The file that holds a net's weights."""
    stream = io.BytesIO()
    torch.save(net.state_dict(), stream)
    return stream.getvalue()


@contextmanager
def one_unchecked_thread() -> Iterator[None]:
    """One thread; and without the check that all operations are deterministic, which those in int8 do not state."""
    threads, checked = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(checked)


def time_all(nets: Sequence[Net]) -> None:
    """Time all nets in turns, so that what else the machine does meets all of them."""
    generator = torch.Generator().manual_seed(0)
    with one_unchecked_thread(), torch.inference_mode():
        for turn in range(ROUNDS + 1):  # the first warms up
            for net in nets:
                for batch in BATCHES:
                    taken = one_time(net.module, torch.randn(batch, *net.shape, generator=generator))
                    if turn:
                        net.times.setdefault(batch, []).append(1000 * taken)


def one_time(net: nn.Module, inputs: Tensor) -> float:
    """Seconds of a call, on average over as many as take a while."""
    calls, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < SECONDS:
        net(inputs)
        calls += 1
    return taken / calls
