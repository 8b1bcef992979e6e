"""Two ranks under DDP, against a DDP loop written by hand in the same two processes, one epoch each in turns."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.datasets import Place
from benchmarks.epochs import hand_written, side_by_side
from benchmarks.figure import Figure
from benchmarks.hand_written import HandWritten
from benchmarks.seconds import Seconds
from benchmarks.training import MLP, on_fashion_mnist, ratio
from encore.config.compose import config_from
from encore.config.launched import launched
from encore.errors import NotReproduced
from encore.record.checkpoint_files import LAST, load
from encore.runner.rendezvous import own_store

HOME = "127.0.0.1"
RANKS = 2


class HandWrittenRanks(HandWritten):
    """The hand-written loop on one of several ranks: each takes its share of every batch."""

    def epoch(self, epoch: int) -> None:
        """Train and validate, in the process group that the run beside it has begun."""
        if not isinstance(self.net, DistributedDataParallel):
            self.rank, self.bare = distributed.get_rank(), self.net
            self.net = DistributedDataParallel(self.bare)
        super().epoch(epoch)

    def train(self, epoch: int) -> None:
        self.net.train()
        losses = []
        for indices in self.order(epoch).split(self.batch_size):
            inputs, targets = self.examples.batch(indices[self.rank :: RANKS])
            loss = self.loss(self.logits(inputs), targets)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        held = torch.stack(losses)
        distributed.all_reduce(held)
        self.losses.append(held / RANKS)

    @torch.inference_mode()
    def validate(self) -> None:
        self.bare.eval()
        totals = torch.zeros(2)
        for indices in self.examples.val.split(self.eval_batch_size):
            inputs, targets = self.examples.batch(indices[self.rank :: RANKS])
            logits: Tensor = self.bare(inputs)
            totals += torch.stack([self.loss(logits, targets) * len(targets), (logits.argmax(1) == targets).sum()])
        distributed.all_reduce(totals)
        self.val_loss, self.val_accuracy = (float(total) / len(self.examples.val) for total in totals)


def ddp_tax(place: Place, pairs: int = 25) -> Figure:
    """An epoch of two ranks over one of the same two processes by hand; the first rank's time."""
    overrides = on_fashion_mnist(place, [*MLP, "data.batch_size=512", "trainer=ddp"], pairs)
    store = own_store(HOME)
    port = store.port
    del store
    with as_rank(1, port) as other:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.ranks"], stdin=subprocess.PIPE, env=other)
    process.stdin.write(json.dumps(overrides).encode())  # type: ignore[union-attr]
    process.stdin.close()  # type: ignore[union-attr]
    try:
        with as_rank(0, port):
            mine, by_hand = measured(overrides)
    finally:
        process.wait()
    return ratio({"Encore": mine, "by hand": by_hand}, same_bits=True)


@contextmanager
def as_rank(rank: int, port: int) -> Iterator[dict[str, str]]:
    """This process as one of two that something else has started."""
    variables = {"RANK": rank, "WORLD_SIZE": RANKS, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": RANKS, "MASTER_PORT": port}
    given = {**{name: str(value) for name, value in variables.items()}, "MASTER_ADDR": HOME}
    with mock.patch.dict(os.environ, given):
        yield {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def measured(overrides: list[str]) -> tuple[list[Seconds], list[Seconds]]:
    """One rank's seconds of each side, by epochs.

    Raises:
        NotReproduced: the two sides differ in a bit of a weight.
    """
    loop = hand_written(config_from(overrides), kind=HandWrittenRanks)
    assert isinstance(loop, HandWrittenRanks)
    result, mine, by_hand = side_by_side(overrides, loop.epoch)
    place = launched()
    if place is not None and place.rank == 0:
        check_weights(load(result.folder / "checkpoints" / LAST)["state_dict"], loop.bare)
    return mine, by_hand


def check_weights(held: dict[str, Tensor], net: nn.Module) -> None:
    """Raise NotReproduced if a run's weights are not a net's."""
    for name, tensor in net.state_dict().items():
        if not torch.equal(held[f"net.{name}"], tensor):
            raise NotReproduced(f"net.{name} is not that of the hand-written loop on {RANKS} ranks")


if __name__ == "__main__":
    measured(json.load(sys.stdin))
