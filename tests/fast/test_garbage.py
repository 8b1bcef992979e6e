"""Searches for garbage wait until a run's imports are done, and then leave out what they made."""

import gc
import subprocess
import sys

import pytest

from encore.fast import garbage


@pytest.fixture
def usual():
    before = gc.get_threshold()
    yield before
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_was_made_before_is_searched_no_more(usual):
    garbage.search_less()
    assert gc.get_threshold()[0] == garbage.OBJECTS
    kept = [[]]
    garbage.search_as_usual()
    assert gc.get_threshold() == usual
    assert not any(each is kept for each in gc.get_objects())


def test_a_process_whose_searches_are_usual_is_left_alone(usual):
    kept = [[]]
    garbage.search_as_usual()
    assert gc.get_threshold() == usual
    assert any(each is kept for each in gc.get_objects())


def test_the_user_s_own_threshold_comes_back():
    words = (
        "import gc; gc.set_threshold(5, 6, 7); from encore.fast import garbage as g; g.search_less(); g.search_less()"
    )
    told = subprocess.run(
        [sys.executable, "-c", f"{words}; g.search_as_usual(); print(gc.get_threshold())"],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert told.stdout == "(5, 6, 7)\n"
