"""A process that imports the heavy libraries once, and then forks a child for each command that a test runs.

`processes.py` starts it and talks to it. It imports only libraries, and computes nothing: each child imports Encore
itself, from where its own `sys.path` has it.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = (
    "hydra",
    "matplotlib.pyplot",
    "numpy",
    "pandas",
    "pytorch_lightning",
    "sklearn.datasets",
    "tensorboard.backend.event_processing.event_accumulator",
    "torch",
    "torch.utils.tensorboard",
    "torchmetrics",
    "torchvision",
)


def serve(control: socket.socket) -> dict[str, Any]:
    """Answer requests until nobody can ask any more; returns in the children alone, with what each shall run."""
    tellers: dict[int, int] = {}  # of each child
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    with selectors.DefaultSelector() as selector:
        for asked in (control, woken):
            selector.register(asked, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(1 << 12)
                tell(tellers)
            if control not in ready:
                continue
            head, descriptors, *_ = socket.recv_fds(control, 4, 4)
            if not head:
                os._exit(0)
            request = json.loads(control.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
            *streams, teller = descriptors
            if child := os.fork():
                tellers[child] = teller
                for stream in streams:
                    os.close(stream)
                continue
            signal.set_wakeup_fd(-1)
            for other in (control, woken, wakes):
                other.close()
            for descriptor in tellers.values():
                os.close(descriptor)
            break
    become(request, streams)
    os.write(teller, struct.pack("i", os.getpid()))
    os.close(teller)
    return request


def tell(tellers: dict[int, int]) -> None:
    """Tell how children have ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            teller = tellers.pop(ended[0])
            with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
                os.write(teller, struct.pack("i", os.waitstatus_to_exitcode(ended[1])))
            os.close(teller)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Be as a new interpreter would be."""
    if request["start_new_session"]:
        os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    random.seed()
    sys.modules["numpy"].random.seed()
    first, *words = words_of(request)
    sys.argv = words if first == "-m" else [first, *words[1:]] if first == "-c" else [first, *words]
    sys.orig_argv = [sys.executable, *request["words"]]
    here = [str(Path(first).resolve().parent) if not first.startswith("-") else request["cwd"] if first == "-m" else ""]
    own = (str(Path(place).absolute()) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place)
    sys.path[:] = dict.fromkeys([*(here if request["words"][0] != "-P" else ()), *own, *sys.path[1:]])
    importlib.invalidate_caches()


def words_of(request: dict[str, Any]) -> list[str]:
    """What the interpreter is to run, and its words."""
    return request["words"][request["words"][0] == "-P" :]


def run(request: dict[str, Any]) -> int:
    """Run the command as `python` would; returns the exit code."""
    try:
        execute(request)
    except SystemExit as stop:
        if isinstance(stop.code, int | None):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt as problem:
        show(problem)
        return -signal.SIGINT
    except Exception as problem:
        show(problem)
        return 1
    return 0


def show(problem: BaseException) -> None:
    """Show a traceback from the command on."""
    below = problem.__traceback__.tb_next.tb_next
    sys.excepthook(type(problem), problem.with_traceback(below), below)


def leave(code: int) -> None:
    """End as an interpreter does, but for taking all modules apart, which takes its time for those of the server."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def execute(request: dict[str, Any]) -> None:
    first, *words = words_of(request)
    if first == "-m":
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = ModuleType("__main__")
    if first == "-c":
        exec(words[0], main.__dict__)
        return
    file = Path(first).absolute()
    main.__file__ = str(file)
    exec(compile(file.read_bytes(), file, "exec"), main.__dict__)


if __name__ == "__main__":
    os.fsync = lambda descriptor: None  # as in processes.without_waiting_for_the_disk
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # so that the children's collections leave alone what they share
    leave(run(serve(socket.socket(fileno=int(sys.argv[1])))))
