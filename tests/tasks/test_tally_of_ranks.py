"""An epoch's means on several ranks: one message for all states, with the bits of a message for each."""

import subprocess
import sys

import pytest

from encore.runner.rendezvous import own_store

RANK = """
import sys
import torch
from torch import distributed
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassConfusionMatrix
from torchmetrics.classification import MulticlassF1Score
from encore.tasks import tally
from encore.tasks.tally import Tally

rank, port = map(int, sys.argv[1:])
store = distributed.TCPStore("127.0.0.1", port)
distributed.init_process_group("gloo", rank=rank, world_size=2, store=store)
scores = MetricCollection(
    {
        "accuracy": MulticlassAccuracy(3), "f1": MulticlassF1Score(3, average="none"), "auroc": MulticlassAUROC(3),
        "confusion": MulticlassConfusionMatrix(3),
    }
)
sent = []
plain = distributed.all_gather
distributed.all_gather = lambda *given, **more: sent.append(1) or plain(*given, **more)
found = []
for kind in ("one message", "a message for each"):
    if kind == "a message for each":
        tally.OF_ONE_SHAPE = ()
        tally.in_one_message = lambda states: []
    generator = torch.Generator().manual_seed(rank)
    one = Tally(scores)
    for examples in (7, 7, 4 + rank):
        logits = torch.randn(examples, 3, generator=generator)
        targets = torch.randint(0, 3, (examples,), generator=generator)
        one.update(logits.std(), logits.softmax(1), targets, examples)
    found.append((one.means(), len(sent)))
    assert all(metric.dist_sync_fn is None for metric in one.scores.values())
    sent.clear()
(means, few), (expected, many) = found
assert means.keys() == expected.keys()
for name, value in means.items():
    assert torch.equal(value, expected[name]), name
assert int(means["confusion"].sum()) == 7 * 4 + 4 + 5  # of both ranks
assert few < many, (few, many)
distributed.barrier()
"""


@pytest.mark.slow
def test_means_over_ranks_have_the_same_bits_in_fewer_messages():
    store = own_store("127.0.0.1")
    command = [sys.executable, "-c", RANK]
    ranks = [subprocess.Popen([*command, str(rank), str(store.port)], stderr=subprocess.PIPE) for rank in range(2)]
    try:
        said = [rank.communicate(timeout=120)[1].decode() for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], said
