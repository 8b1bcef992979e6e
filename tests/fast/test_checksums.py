"""Checksums of TensorBoard's files."""

import importlib
import io
import random

import pytest
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer.record_writer import RecordWriter

from encore.fast import checksums


@pytest.fixture
def plain():
    """TensorBoard as it is without Encore."""
    yield importlib.reload(pywrap_tensorflow)
    checksums.compute_by_library()


def test_they_are_those_that_tensorboard_computes_itself(plain):
    own = plain.crc32c
    checksums.compute_by_library()
    assert plain.crc32c is not own
    for length in (0, 1, 8, 63, 1000):
        data = random.Random(length).randbytes(length)
        assert plain.crc32c(data) == own(data)


def test_tensorboard_s_files_are_written_with_them(monkeypatch):
    seen = []
    monkeypatch.setattr(pywrap_tensorflow, "crc32c", lambda data: seen.append(data) or 0)
    RecordWriter(io.BytesIO()).write(b"event")
    assert seen[-1] == b"event"
