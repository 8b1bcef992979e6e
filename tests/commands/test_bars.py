"""Bars: only on a terminal, and only for what takes long."""

import sys

import pytest

from encore import terminal
from encore.terminal import counted


@pytest.fixture
def seconds(monkeypatch):
    """What the clock shows, which each item moves on by one."""
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def passed(seconds, number):
    for item in range(number):
        seconds[0] += 1
        yield item


@pytest.mark.parametrize(("is_terminal", "number", "shown"), [(True, 2, False), (True, 20, True), (False, 20, False)])
def test_a_bar_is_drawn_for_what_takes_long_on_a_terminal(is_terminal, number, shown, seconds, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    assert list(counted(passed(seconds, number), number, "packing")) == list(range(number))
    assert ("packing" in capsys.readouterr().err) is shown


def test_a_bar_that_is_left_early_is_closed(seconds, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    items = counted(passed(seconds, 20), 20, "packing")
    assert [next(items) for _ in range(10)] == list(range(10))
    items.close()
    assert capsys.readouterr().err.endswith("\r")
