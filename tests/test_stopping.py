import os
import signal

import pytest

from encore.errors import Interrupted, Preempted
from encore.stopping import Stop

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Preempted), (signal.SIGUSR1, Preempted), (signal.SIGINT, Interrupted)]
)
def test_a_signal_ends_the_run_at_once_and_then_nothing_disturbs_the_end(number, error):
    with Stop() as stop:
        with pytest.raises(error):
            signal.raise_signal(number)
        signal.raise_signal(number)
        assert stop.ending


def test_a_signal_while_it_is_deferred_ends_the_run_afterwards():
    steps = []

    def take_a_step(stop):
        with stop.deferred():
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)
            steps.append("done")

    with Stop() as stop, pytest.raises(Preempted, match="SIGTERM"):
        take_a_step(stop)
    assert steps == ["done"]


def test_a_second_interruption_does_not_wait():
    with Stop() as stop:
        stop.deferring = True
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_rank_that_follows_only_notes_what_it_hears():
    with Stop(deaf=True) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked == signal.SIGTERM


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Stop():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
