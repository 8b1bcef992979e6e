"""A command that leaves quickly leaves nothing undone."""

import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys, threading, time
from encore.command import end

def later():
    time.sleep(0.2)
    print("thread")

def main():
    atexit.register(print, "handler")
    threading.Thread(target=later).start()
    sys.stdout.write("begun ")
    return {code}

if __name__ == "__main__":
    end(main)
"""


@pytest.mark.parametrize("code", [0, 3])
def test_threads_are_waited_for_and_handlers_called_and_output_written(tmp_path, code):
    (tmp_path / "script.py").write_text(SCRIPT.format(code=code))
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (code, ["begun", "thread", "handler"], "")


def test_a_profiler_sees_the_end(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT.format(code=0))
    words = [sys.executable, "-m", "cProfile", "script.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "function calls" in done.stdout
