"""Commands in processes of their own, as a user starts them; forked where that is as good, since imports take seconds.

`start` is `subprocess.Popen` and `finish` is `subprocess.run`, of Python with these words.
"""

import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

AT_FIRST = dict(os.environ)
# What nothing reads that is imported before the fork, and what imports and runs set, here as there.
NO_MATTER = (
    *("ENCORE_", "HYDRA_", "PYTEST_", "PYTHONPATH"),
    *("CUBLAS_WORKSPACE_CONFIG", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "PYTORCH_NVML_BASED_CUDA_CHECK"),
    "TORCHINDUCTOR_CACHE_DIR",
)
PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL


def without_waiting_for_the_disk() -> None:
    """Have `os.fsync` do nothing: no test cuts the power, and a run has thirty files to wait for."""
    os.fsync = lambda descriptor: None


def start(
    *words: Any,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    start_new_session: bool = False,
    fresh: bool = False,
) -> "Process":
    """Begin `python WORDS`.

    Args:
        stdin: PIPE, or nothing to read.
        fresh: by a new interpreter in any case. So is what a test has Python run by `-c`, and a process with other
            settings in its environment than the test's own had at first, unless only Encore reads them.
    """
    settings = {"cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
    settings["start_new_session"] = start_new_session
    words = tuple(map(str, words))
    if fresh or not forks(words) or not same(settings["env"]):
        streams = {"stdin": stdin or DEVNULL, "stdout": stdout, "stderr": stderr}
        return subprocess.Popen([sys.executable, *words], encoding="utf-8", **streams, **settings)
    return Forked(words, stdin, stdout, stderr, settings)


def finish(*words: Any, timeout: float = 300, **settings: Any) -> subprocess.CompletedProcess[str]:
    """What `python WORDS` says, and its exit code."""
    with start(*words, stdout=PIPE, stderr=PIPE, **settings) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess([sys.executable, *map(str, words)], process.returncode, out, err)


def begin_run(overrides: dict[str, Any], **environment: str) -> "Process":
    """Begin `encore.run(overrides)`."""
    script = Path(__file__).with_name("one_run.py")
    return start(script, json.dumps(overrides), stdout=DEVNULL, stderr=PIPE, env={**os.environ, **environment})


def end_run(overrides: dict[str, Any], code: int = 0, **environment: str) -> None:
    """Run it to its end, which has to be of this code."""
    with begin_run(overrides, **environment) as process:
        _, said = process.communicate()
    assert process.returncode == code, said


def forks(words: tuple[str, ...]) -> bool:
    """Whether there is a fork for these words: a script, a module, or what Encore itself has Python run."""
    known = words[0] in ("-m", "-P") or not words[0].startswith("-")
    return known and hasattr(os, "fork") and hasattr(socket, "send_fds")


def same(environment: Mapping[str, str]) -> bool:
    """Whether the environment is as it was, for all that is imported before the fork."""
    names = environment.keys() | AT_FIRST.keys()
    changed = {name for name in names if environment.get(name) != AT_FIRST.get(name)}
    return all(name.startswith(NO_MATTER) for name in changed)


class Server:
    """The fork server of this process, begun when it is first needed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.turn = threading.Lock()

    def ask(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Have a child forked."""
        content = json.dumps(request).encode()
        with self.turn:
            if self.process is None:
                self.begin()
            socket.send_fds(self.control, [len(content).to_bytes(4, "big")], descriptors)
            self.control.sendall(content)

    def begin(self) -> None:
        self.control, theirs = socket.socketpair()
        words = [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())]
        plain = {name: value for name, value in AT_FIRST.items() if name != "PYTHONPATH"}  # each child has its own
        # Pipes, as a command's streams are: a stream is not asked twice whether it can seek.
        self.process = subprocess.Popen(
            words, env=plain, pass_fds=[theirs.fileno()], stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        theirs.close()

    def end(self) -> None:
        """Let it go, and wait, so that its children count among this process's."""
        if self.process is not None:
            self.control.shutdown(socket.SHUT_WR)  # which worker processes may have open still
            self.process.communicate()
            self.control.close()


SERVER = Server()


class Forked:
    """A child of the fork server, as a `subprocess.Popen`."""

    def __init__(
        self,
        words: tuple[str, ...],
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        settings: dict[str, Any],
    ) -> None:
        self.args = [sys.executable, *words]
        self.returncode: int | None = None
        self.stdin, given = None, os.open(os.devnull, os.O_RDONLY)
        if stdin == PIPE:
            os.close(given)
            given, ours = os.pipe()
            self.stdin = os.fdopen(ours, "w", encoding="utf-8")
        self.stdout, out = stream(stdout, 1)
        self.stderr, err = (None, os.dup(out)) if stderr == STDOUT else stream(stderr, 2)
        self.told, teller = socket.socketpair()
        SERVER.ask({"words": words, **settings}, [given, out, err, teller.fileno()])
        for descriptor in (given, out, err):
            os.close(descriptor)
        teller.close()
        self.pid = self.number()

    def number(self) -> int:
        """What is told next: the number of the process, and then its exit code."""
        told = self.told.recv(4, socket.MSG_WAITALL)
        assert told, f"the fork server has ended: {SERVER.process.stdout.read()}"
        return struct.unpack("i", told)[0]

    def poll(self) -> int | None:
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.told, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = self.number()
            self.told.close()
        return self.returncode

    def communicate(self, input: str = "", timeout: float | None = None) -> tuple[str | None, str | None]:
        """What it has said on either stream, once it has ended. What it is told it must read before it says much."""
        if self.stdin is not None:
            self.stdin.write(input)
            self.stdin.close()
        said = {stream: b"" for stream in (self.stdout, self.stderr) if stream is not None}
        until = None if timeout is None else time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for stream in said:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(until and max(until - time.monotonic(), 0))
                if not ready:
                    raise subprocess.TimeoutExpired(self.args, timeout)
                for key, _ in ready:
                    content = os.read(key.fd, 1 << 16)
                    said[key.fileobj] += content
                    if not content:
                        selector.unregister(key.fileobj)
        self.wait(until and max(until - time.monotonic(), 0))
        texts = {stream: content.decode().replace("\r\n", "\n") for stream, content in said.items()}
        self.close()
        return texts.get(self.stdout), texts.get(self.stderr)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
        self.wait()


def stream(wanted: int | None, number: int) -> tuple[IO[str] | None, int]:
    """Our end of a stream, and a descriptor for the child's."""
    if wanted == PIPE:
        ours, theirs = os.pipe()
        return os.fdopen(ours, encoding="utf-8"), theirs
    return None, os.open(os.devnull, os.O_WRONLY) if wanted == DEVNULL else os.dup(number)


def popen(words: list[str], encoding: str, **settings: Any) -> "Process":
    """`subprocess.Popen`, where Encore itself begins a process."""
    assert encoding == "utf-8"
    return start(*words[1:], **settings)


Process = subprocess.Popen[str] | Forked
