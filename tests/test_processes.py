"""A command that is forked is, for all that a test can see, one of a new interpreter."""

import json
import os
import signal

import pytest
from processes import AT_FIRST, PIPE, STDOUT, Forked, finish, same, start

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks")

WAYS = pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
# Where a process stands: what it prints, each of which a new interpreter finds so.
STANDS = """
import json, os, signal, sys, threading
here = {
    "argv": sys.argv, "orig_argv": sys.orig_argv[1:], "path": sys.path,
    "file": globals().get("__file__"), "name": __name__,
    "main": sys.modules["__main__"].__dict__ is globals(), "cwd": os.getcwd(), "environment": dict(os.environ),
    "open": len(os.listdir("/dev/fd")), "threads": threading.active_count(), "stdin": sys.stdin.read(),
    "signals": [str(signal.getsignal(n)).partition(" at ")[0] for n in signal.valid_signals() if n < 32],
    "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "group": (os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid()),
    "encore": sorted(name for name in sys.modules if name.startswith(("encore", "processes", "conftest"))),
}
json.dump(here, sys.stdout)
"""


@pytest.mark.parametrize("session", [False, True], ids=["of this session", "of its own session"])
@pytest.mark.parametrize(
    "words",
    [["here.py"], ["here.py", "a", "b c"], ["-m", "here", "a"], ["-P", "-c", STANDS, "a"]],
    ids=lambda words: words[0],
)
def test_it_stands_where_a_new_interpreter_does(tmp_path, words, session):
    (tmp_path / "here.py").write_text(STANDS)
    settings = {"cwd": tmp_path, "env": {**os.environ, "ENCORE_ANY": "1"}, "start_new_session": session}
    forked, fresh = (finish(*words, fresh=fresh, **settings) for fresh in (False, True))
    assert (forked.returncode, forked.stderr) == (fresh.returncode, fresh.stderr) == (0, "")
    stands, expected = json.loads(forked.stdout), json.loads(fresh.stdout)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in a shell's background, where a fork is given a handler
        del stands["signals"]
    assert {name: value for name, value in stands.items() if value != expected[name]} == {}, expected


@pytest.mark.sampled(4)
@WAYS
@pytest.mark.parametrize(
    ("program", "code", "out", "err"),
    [
        ("", 0, "", ""),
        ("import sys; print('a'); print('b', file=sys.stderr)", 0, "a\n", "b\n"),
        ("import sys; sys.exit(75)", 75, "", ""),
        ("import sys; sys.exit('no')", 1, "", "no\n"),
        ("import os; os._exit(3)", 3, "", ""),
        ("import atexit; atexit.register(print, 'bye')", 0, "bye\n", ""),
        ("import threading; threading.Timer(0.1, print, ['late']).start()", 0, "late\n", ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, "", ""),
        ("1 / 0", 1, "", 'Traceback (most recent call last):\n  File "{file}", line 1, in <module>\n    1 / 0\n'),
        ("raise KeyboardInterrupt", -signal.SIGINT, "", "Traceback"),
    ],
)
def test_it_ends_as_it_would(tmp_path, fresh, program, code, out, err):
    file = tmp_path / "program.py"
    file.write_text(program)
    answer = finish(file, cwd=tmp_path, fresh=fresh)
    assert (answer.returncode, answer.stdout) == (code, out), answer.stderr
    assert answer.stderr.startswith(err.format(file=file))
    assert answer.stderr == "" or err


@WAYS
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_killed_alone_or_with_its_group(tmp_path, fresh, number):
    file = tmp_path / "program.py"
    file.write_text("import time\nprint('began', flush=True)\ntime.sleep(60)\n")
    for send in (lambda process: process.send_signal(number), lambda process: os.killpg(process.pid, number)):
        with start(file, stdout=PIPE, stderr=STDOUT, start_new_session=True, fresh=fresh) as process:
            assert process.stdout.readline() == "began\n"
            assert process.poll() is None
            send(process)
            assert process.wait(timeout=30) == -number
            assert process.poll() == -number


def test_a_new_interpreter_is_taken_where_a_fork_may_differ(run, tmp_path):
    before = dict(os.environ)
    run({"debug": "fast"})  # which sets something in this process's environment, too
    # Without what other tests have left there.
    here = {**AT_FIRST, **{name: value for name, value in os.environ.items() if before.get(name) != value}}
    assert same({**here, "ENCORE_RUNS_DIR": "elsewhere", "PYTHONPATH": "elsewhere"})
    assert not same({**here, "ATEN_CPU_CAPABILITY": "default"})
    assert not same({name: value for name, value in here.items() if name != "OMP_NUM_THREADS"})
    for words, forks in ((["here.py"], True), (["-m", "here"], True), (["-c", ""], False), (["-S", "here.py"], False)):
        (tmp_path / "here.py").touch()
        with start(*words, cwd=tmp_path, env=here) as process:
            assert isinstance(process, Forked) == forks, words


@pytest.mark.slow
def test_a_run_has_the_same_fingerprint_and_bits_either_way(command, tmp_path):
    words = ("trainer=cpu", "threads=1", "trainer.max_epochs=1", "logger=csv")
    assert command("train.py", *words, fresh=True).returncode == 0
    assert "finished already" in command("train.py", *words).stdout
    assert command("train.py", *words, ENCORE_RUNS_DIR=str(tmp_path / "others")).returncode == 0
    one, other = (
        [next((tmp_path / runs).rglob(name)).read_bytes() for name in ("losses.f32", "metrics.csv")]
        for runs in ("runs", "others")
    )
    assert one == other
