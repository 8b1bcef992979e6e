"""Data that one rank of a machine reads, and the others there map."""

import os
import threading
import time

import numpy as np
import pytest
import torch

from encore.data import node
from encore.data.named.ragged import Ragged
from encore.data.node import Node, mapped, written
from encore.data.sources import ArraySource

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memory without a name on this system")


class Line:
    """What ranks tell each other, within one process."""

    def __init__(self):
        self.told = {}

    def tell(self, key, value):
        self.told[key] = value

    def hear(self, key):
        while key not in self.told:
            time.sleep(0.001)
        return self.told[key]


@pytest.fixture
def source():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (5000, 7), dtype=torch.uint8, generator=generator)
    return ArraySource(inputs, torch.arange(5000), classes=["one", "two"])


def ranks(number=2):
    line = Line()
    return [Node(0, rank == 0, line) for rank in range(number)]


def test_one_rank_reads_and_the_others_map_what_it_has_read(source):
    first, second = ranks()
    found = []
    other = threading.Thread(target=lambda: found.append(second.source(lambda: pytest.fail("read twice"))))
    other.start()
    mine = first.source(lambda: source)
    other.join(20)
    (theirs,) = found
    for held in (mine, theirs):
        assert held is not source
        assert torch.equal(held.inputs, source.inputs)
        assert torch.equal(held.targets, source.targets)
        assert held.targets.dtype == torch.int64
        assert held.classes == source.classes
        assert held.inputs.data_ptr() % node.ALIGNED == 0
    theirs.inputs[0] = 9  # is seen by no other rank
    assert torch.equal(mine.inputs, source.inputs)
    first.release()
    assert torch.equal(theirs.inputs[1:], source.inputs[1:])  # lives as long as one has it


def test_what_a_source_may_consist_of_is_shared_and_comes_back_as_it_was():
    held = {
        "ragged": Ragged(torch.arange(10_000, dtype=torch.int32), torch.tensor([0, 4000, 10_000])),
        "strided": torch.arange(20_000.0).reshape(100, 200).T,
        "half": torch.randn(5000).to(torch.bfloat16),
        "array": np.arange(9000, dtype="<u2").reshape(3, 3000)[:, ::2],
        "dates": np.arange(1000).astype("datetime64[s]"),
        "words": np.array(["a", "bc"] * 2000),
        "empty": torch.empty(0, 3),
        "objects": np.array([None, "x"], dtype=object),
    }
    held["again"] = held["half"]
    file, told = written(held)
    found = mapped(told)
    os.close(file)
    assert told["size"] < 200_000  # nothing twice
    assert torch.equal(found["ragged"].values, held["ragged"].values)
    for name in ("strided", "half", "empty", "again"):
        assert torch.equal(found[name], held[name])
        assert found[name].dtype == held[name].dtype
    for name in ("array", "dates", "words", "objects"):
        assert (found[name] == held[name]).all()
        assert found[name].dtype == held[name].dtype


def test_a_rank_that_cannot_find_them_reads_them_itself(source, monkeypatch):
    for what, value in (("process", 2**22 + 1), ("token", "00" * 16)):
        first, second = ranks()
        first.source(lambda: source)
        first.line.told["data/0/0"][what] = value
        assert second.source(lambda: source) is source
    for problem in (OSError("no room"), AttributeError("memfd_create")):

        def fails(*given, problem=problem):
            raise problem

        with monkeypatch.context() as patch:
            patch.setattr(os, "memfd_create", fails)
            first, second = ranks()
            assert first.source(lambda: source) is source
            assert second.source(lambda: source) is source
        assert not first.files


def test_examples_that_are_not_in_memory_are_read_by_each_rank(source, monkeypatch):
    monkeypatch.setattr(source, "tensors", lambda: None)
    first, second = ranks()
    assert first.source(lambda: source) is source
    assert second.source(lambda: source) is source


COUNTED = """
import os
from pathlib import Path
from encore.data.sources import Npz

class Counted(Npz):
    def __init__(self, path: str, inputs: str, targets: str) -> None:
        with Path(os.environ["READ"]).open("a") as file:
            file.write(f"{os.getpid()}\\n")
        super().__init__(path, inputs, targets)
"""


@pytest.mark.slow
def test_two_ranks_read_the_data_once_and_give_the_same_bits(run, tmp_path, monkeypatch):
    (tmp_path / "counted.py").write_text(COUNTED)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("READ", str(tmp_path / "read"))
    generator = np.random.default_rng(0)
    for name, number in (("train", 2000), ("test", 1000)):
        pictures = generator.integers(0, 256, (number, 8), dtype=np.uint8)
        np.savez(tmp_path / f"{name}.npz", x=pictures, y=pictures[:, 0] // 86)
    settings = {
        "data": "npz", "data.path": str(tmp_path / "train.npz"), "data.shape": [8], "data.num_classes": 3,
        "data.train._target_": "counted.Counted", "trainer": "ddp", "trainer.devices": 2, "threads": 2,
        "data.test": {"_target_": "counted.Counted", "path": str(tmp_path / "test.npz"), "inputs": "x", "targets": "y"},
        "trainer.max_epochs": 2, "data.test_fraction": 0,
    }  # fmt: skip
    results, times = [], []
    for shares in (True, False):
        with monkeypatch.context() as patch:
            if not shares:
                patch.delattr(os, "memfd_create")
            results.append(run({**settings, "runs_dir": str(tmp_path / f"runs-{shares}")}))
        readers = (tmp_path / "read").read_text().split()
        times.append((len(readers), len(set(readers))))
        (tmp_path / "read").unlink()
    assert times == [(3, 1), (6, 2)]  # the test set is read again at the end
    assert results[0].weights_sha256 == results[1].weights_sha256
    assert results[0].metrics == results[1].metrics
