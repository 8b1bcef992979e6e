"""Locks between processes: a second one is refused, and a fork inherits none."""

import os
import signal
import subprocess
import sys

import pytest

from encore.errors import Busy
from encore.locks import locked
from encore.record.lock import held

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks and locks of POSIX")

# A process that holds locks, and has a worker.
PROGRAM = """
import os, sys, time
from pathlib import Path
from encore.locks import locked
from encore.record.lock import held
folder = Path(sys.argv[1])
with locked(folder / "lock", None), held(folder / "run"):
    if not os.fork():
        print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_what_a_process_holds_is_refused_until_it_ends_even_if_its_worker_lives_on(tmp_path):
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE) as process:
        worker = int(process.stdout.readline())
        try:
            with pytest.raises(Busy, match="is in use"), locked(tmp_path / "lock", None, busy="is in use"):
                pass
            with pytest.raises(Busy, match=f"is being run by process {process.pid}"), held(tmp_path / "run"):
                pass
            process.kill()
            process.wait()
            with locked(tmp_path / "lock", None, busy="is in use"), held(tmp_path / "run"):
                os.kill(worker, 0)  # it lives
        finally:
            process.kill()
            os.kill(worker, signal.SIGKILL)
