"""Which states are certain to be read again, without reading them."""

from collections import OrderedDict, defaultdict
from enum import IntEnum

import numpy as np
import pytest
import torch

from encore.record.checkpoint_files import is_readable, load, save


class Colour(IntEnum):
    RED = 1


class Bare:
    pass


CERTAIN = [
    {"a": [1, 2.5, None, True, "text", (torch.ones(2), torch.zeros(()))]},
    OrderedDict(weight=torch.arange(3)),
    {1: {None: -(2**63)}},
    torch.ones(2, dtype=torch.bfloat16)[:1],
]
NOT_CERTAIN = [
    defaultdict(int), Colour.RED, Bare(), np.float64(1.0), np.zeros(2), {1, 2}, b"", 2**70, Bare,
    torch.nn.Parameter(torch.ones(1)), torch.ones(2).to_sparse(),
]  # fmt: skip


@pytest.mark.parametrize("value", CERTAIN, ids=range(len(CERTAIN)))
def test_what_is_certain_can_be_read(tmp_path, value):
    assert is_readable(value)
    save({"epoch": 0, "state": value}, tmp_path / "last.ckpt")
    assert str(load(tmp_path / "last.ckpt")["state"]) == str(value)


@pytest.mark.parametrize("value", NOT_CERTAIN, ids=range(len(NOT_CERTAIN)))
def test_all_else_is_tried(value):
    assert not is_readable({"deep": [value]})
