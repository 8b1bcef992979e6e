"""The ranks of a run: how they find each other, agree, notice that one is gone, and end together."""

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import distributed

from encore.command import tell
from encore.config.facts import leaves, show
from encore.config.launched import Place
from encore.errors import ConfigError, EncoreError
from encore.runner.preflight import place_of
from encore.runner.rendezvous import MEET, RankLost

BEAT = 3.0  # seconds between two signs of life
SILENT = 40.0  # seconds without one after which a rank is taken for dead
GRACE = 10.0  # seconds that a rank has to end by itself once another one has failed
LOOK = 0.05  # seconds between two looks at what another rank has to say
LEFT = "left"
CONTINUES = "the same command continues the run"
RUNS = count()  # that this process has taken part in; all ranks count the same


class Told(EncoreError):
    """Ends a rank because another one failed.

    Args:
        failure: what that one said: its message, exit code and status.
        silent: whether somebody else prints the message.
    """

    def __init__(self, failure: dict[str, Any], silent: bool = False) -> None:
        super().__init__("" if silent else failure["message"])
        self.code, self.status = failure["code"], failure["status"]


class Group:
    """One of a run's ranks, and its line to the others.

    Args:
        place: this rank's.
        store: torch's TCPStore, which all ranks reach.
        number: of the run among those that share the store.
        beat: seconds between two signs of life.
        silent: seconds without one after which a rank is taken for dead.
    """

    def __init__(self, place: Place, store: Any, number: int = 0, beat: float = BEAT, silent: float = SILENT) -> None:
        self.place, self.beat, self.silent = place, beat, silent
        self.store = distributed.PrefixStore(f"encore/{place.attempt}/{number}", store)
        self.line = self.store.clone()  # the store's own connection is busy while it waits
        self.failed, self.over = threading.Event(), threading.Event()
        self.failure: dict[str, Any] | None = None
        self.lost = False  # whether the store does not answer any more
        self.answered = time.monotonic()  # when the store last did
        self.ended_child: Callable[[], str | None] = lambda: None  # a process of ours that ended by itself
        self.end_children: Callable[[], None] = lambda: None
        self.last_words: Callable[[str], None] = lambda message: None
        self.host = socket.gethostname()

    def agree(self, what: dict[str, Any]) -> None:
        """Check that all ranks run the same, and begin to watch over each other.

        Raises:
            ConfigError: this rank's config, code or packages are not the first rank's.
            RankLost: not all ranks are there in time.
        """
        if self.place.rank == 0:
            self.tell("what", what)
        self.begin()
        self.wait_for_all("host", MEET)
        first = self.hear("what")
        if different := differences(first, json.loads(json.dumps(what, default=str))):
            lines = [
                f"{name}={show(theirs)} on rank 0, {show(ours)} on rank {self.place.rank}"
                for name, theirs, ours in different
            ]
            raise ConfigError(
                "\n".join([f"the ranks do not run the same ({self.host} is rank {self.place.rank}'s machine):", *lines])
                + "\nstart all ranks with the same command, code and packages"
            )
        self.tell(f"agrees/{self.place.rank}", True)
        self.wait_for_all("agrees")

    def wait_for_all(self, what: str, seconds: float = math.inf) -> None:
        """Wait until every rank has told something.

        Raises:
            RankLost: one does not, within these seconds.
            Told: one has failed.
        """
        missing, until = [f"{what}/{rank}" for rank in range(self.place.ranks)], time.monotonic() + seconds
        while missing := [key for key in missing if not self.line.check([key])]:
            self.check()
            if time.monotonic() > until:
                ranks = ", ".join(key.partition("/")[2] for key in missing)
                raise RankLost(f"rank {ranks} did not come within {seconds:g} seconds")
            time.sleep(LOOK)

    def begin(self) -> None:
        """Give signs of life, and watch over the next rank's, in threads of their own."""
        self.line.set(f"host/{self.place.rank}", self.host)
        for work in (self.give_signs, self.watch):
            threading.Thread(target=work, name=f"encore {work.__name__}", daemon=True).start()

    def give_signs(self) -> None:
        """Show that this rank lives, and look whether the next one does and whether any has failed."""
        neighbour = (self.place.rank + 1) % self.place.ranks
        number, seen, since = 0, "", time.monotonic()
        try:
            while not self.over.is_set() and not self.failed.is_set():
                self.line.set(f"beat/{self.place.rank}", str(number := number + 1))
                now = self.signs([neighbour])[0]
                if now != seen or now == LEFT:
                    seen, since = now, time.monotonic()
                if self.line.check(["failed"]):
                    self.fail(json.loads(self.line.get("failed")))
                elif now and time.monotonic() - since > self.silent:
                    self.blame_silent()
                elif (said := self.ended_child()) is not None:
                    self.post(said)
                self.answered = time.monotonic()
                self.over.wait(self.beat)
        except (RuntimeError, OSError) as problem:
            self.lose_store(str(problem).splitlines()[0])

    def watch(self) -> None:
        """End this rank if another one has failed and it does not end by itself, as in a call that never returns."""
        while not self.over.wait(min(1.0, self.beat)) and not self.failed.is_set():
            if time.monotonic() - self.answered > self.silent:
                self.lose_store(f"no answer for {self.silent:g} seconds")
        if not self.failed.is_set():
            return
        self.end_children()
        if self.over.wait(GRACE) or self.failure is None:
            return
        told = Told(self.failure, self.is_quiet(self.failure))
        self.last_words(self.failure["message"])
        if str(told):
            tell(f"error: {told}")
        os._exit(told.code)

    def signs(self, ranks: list[int]) -> list[str]:
        """The last signs of life of some ranks; empty before their first."""
        keys = [f"beat/{rank}" for rank in ranks]
        return [self.line.get(key).decode() if self.line.check([key]) else "" for key in keys]

    def blame_silent(self) -> bool:
        """Find out which ranks give no sign of life, and tell all; False if every one does."""
        ranks = [rank for rank in range(self.place.ranks) if rank != self.place.rank]
        before = self.signs(ranks)
        if self.failed.wait(3 * self.beat):
            return True
        held = zip(ranks, before, self.signs(ranks), strict=True)
        silent = [rank for rank, then, now in held if then == now != LEFT]
        if silent:
            hosts = dict.fromkeys(self.line.get(f"host/{rank}").decode() for rank in silent)
            which = f"rank {silent[0]} does" if len(silent) == 1 else f"ranks {', '.join(map(str, silent))} do"
            self.post(f"{which} not answer any more (on {', '.join(hosts)}); {CONTINUES}", dead=silent)
        return bool(silent)

    def lose_store(self, said: str) -> None:
        """The store is gone, and with it the first rank or torchrun's agent on its machine."""
        self.lost = True
        if not self.over.is_set():
            self.fail(failure_of(f"the first rank's machine does not answer any more ({said}); {CONTINUES}", dead=[0]))

    def post(
        self, message: str, code: int = EncoreError.code, status: str = "failed", dead: list[int] | None = None
    ) -> None:
        """Tell all ranks that the run has failed; of several failures the first counts."""
        mine = failure_of(message, code, status, dead)
        try:
            self.fail(json.loads(self.line.compare_set("failed", "", json.dumps(mine))))
        except (RuntimeError, OSError):
            self.fail(mine)

    def fail(self, failure: dict[str, Any]) -> None:
        """Note a failure, whoever's it is."""
        self.failure = self.failure or failure
        self.failed.set()

    def is_quiet(self, failure: dict[str, Any]) -> bool:
        """Whether another rank prints why the run failed: on each machine the first that lives does."""
        return self.place.local_rank != (1 if self.place.node == 0 and 0 in failure["dead"] else 0)

    def check(self) -> None:
        """Raise Told if a rank has failed."""
        if self.failed.is_set() and self.failure is not None:
            raise Told(self.failure, self.is_quiet(self.failure))

    def cause(self, problem: BaseException) -> EncoreError | None:
        """The failure of another rank behind an error here; None if it is this rank's own.

        Torch says of a rank that is gone that a connection is closed, and not whose: the ranks' signs of life tell.
        """
        if isinstance(problem, EncoreError):
            return None
        if not self.failed.is_set() and is_of_connection(problem):
            try:
                self.failed.wait(self.beat + LOOK) or self.blame_silent()
            except (RuntimeError, OSError) as lost:
                self.lose_store(str(lost).splitlines()[0])
        return Told(self.failure, self.is_quiet(self.failure)) if self.failed.is_set() and self.failure else None

    def tell(self, key: str, value: Any) -> None:
        """Let the other ranks know something."""
        self.line.set(key, json.dumps(value, default=str))

    def hear(self, *keys: str) -> Any:
        """What the first rank tells under the first of some keys that is there; waits for it.

        Raises:
            Told: a rank failed instead.
        """
        while True:
            self.check()
            for key in keys:
                if self.line.check([key]):
                    return json.loads(self.line.get(key))
            time.sleep(LOOK)

    def connect(self, strategy: Any) -> None:
        """Begin torch's process group, over the store, for one of Lightning's strategies.

        Torch itself would wait for a rank that has failed.
        """
        self.tell(f"ready/{self.place.rank}", True)
        self.wait_for_all("ready")
        device = strategy.root_device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group(
            strategy._get_process_group_backend(),
            store=distributed.PrefixStore("group", self.store),
            rank=self.place.rank,
            world_size=self.place.ranks,
            timeout=strategy._timeout,
            device_id=device if device.type == "cuda" else None,
        )

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Let this rank end together with the others, whoever fails."""
        try:
            yield
        except BaseException as problem:
            cause = self.cause(problem) or problem
            self.close(cause)
            if self.place.rank and self.failure is not None:
                raise Told(self.failure, self.is_quiet(self.failure)) from problem
            if cause is not problem:
                raise cause from problem
            raise
        self.close(None)

    def close(self, problem: BaseException | None) -> None:
        """End together: tell the others of a problem here, and let the first rank, the store's host, leave last."""
        if problem is not None and not isinstance(problem, Told):
            said = str(problem)
            if not isinstance(problem, EncoreError):
                said = f"rank {self.place.rank} on {self.host}: {type(problem).__name__}: {said}{place_of(problem)}"
            self.post(said, getattr(problem, "code", 1), getattr(problem, "status", "failed"))
        if distributed.is_initialized():
            distributed.destroy_process_group()
        self.over.set()
        if self.lost:
            return
        try:
            self.line.set(f"beat/{self.place.rank}", LEFT)
            until = time.monotonic() + GRACE
            others = list(range(1, self.place.ranks)) if self.place.rank == 0 else []
            dead = (self.failure or {}).get("dead", [])
            while (
                any(sign != LEFT for sign in self.signs([r for r in others if r not in dead]))
                and time.monotonic() < until
            ):
                time.sleep(LOOK)
        except (RuntimeError, OSError):
            pass  # the store is gone, and with it the need to be waited for


def failure_of(
    message: str, code: int = EncoreError.code, status: str = "failed", dead: list[int] | None = None
) -> dict[str, Any]:
    """What ranks tell each other of a failure; `dead` are ranks that cannot."""
    return {"message": message, "code": code, "status": status, "dead": dead or []}


def is_of_connection(problem: BaseException) -> bool:
    """Whether torch has lost the connection to another rank."""
    return isinstance(problem, distributed.DistError) or (
        isinstance(problem, RuntimeError) and any(word in str(problem) for word in ("gloo", "Connection", "NCCL"))
    )


def differences(first: Any, second: Any) -> list[tuple[str, Any, Any]]:
    """Where two nested values differ, by dotted path; the first few."""
    ours, theirs = dict(leaves(second)), dict(leaves(first))
    paths = [path for path in dict.fromkeys([*theirs, *ours]) if theirs.get(path) != ours.get(path)]
    return [(path, theirs.get(path), ours.get(path)) for path in paths[:5]]
