"""What tests share: a way to run Encore, small datasets in the real formats, and the real data where they are."""

import gzip
import hashlib
import importlib.util
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch; two workers share two cores
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub

import processes

processes.without_waiting_for_the_disk()

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("ENCORE_DATA_DIR", "data"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`encore.run` into the test's own folder: `run({"optim.lr": 0.1})`, or `run("optim=sgd", "seed=1")`."""
    import encore
    from encore.provenance.undeclared import Loaded

    monkeypatch.setattr(Loaded, "by_runs", {})  # what other tests' runs in this process have loaded is not this run's

    def go(*overrides: Any) -> Any:
        words = {"runs_dir": str(tmp_path / "runs"), "threads": 1, "trainer.accelerator": "cpu"}
        if overrides and isinstance(overrides[0], dict):
            return encore.run({**words, **overrides[0]})
        return encore.run([*(f"{key}={value}" for key, value in words.items()), *overrides])

    return go


# In CI one in so many of the slow cases of a table is tried, and half of the other slow tests, in each turn others.
# Without these variables, as in `make test-all`, all of them are.
ONE_IN, TURN = int(os.environ.get("ENCORE_ONE_IN", "1")), int(os.environ.get("ENCORE_TURN", "0"))
TABLE = 4  # slow cases


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out, others = set(), []
    for cases in tables.values():
        if sampled := cases[0].get_closest_marker("sampled"):
            several = [item for item in cases if not item.get_closest_marker("slow")]
            quick = {place * len(several) // sampled.args[0] for place in range(sampled.args[0])}
            for place, item in enumerate(several):
                if place not in quick:
                    item.add_marker("slow")
        slow = [item for item in cases if item.get_closest_marker("slow")]
        if len(slow) >= TABLE:
            left_out |= {item for place, item in enumerate(slow) if (place - TURN) % min(ONE_IN, len(slow))}
        else:
            others += slow
    left_out |= {item for place, item in enumerate(others) if (place - TURN) % min(ONE_IN, 2)}
    items[:] = sorted(
        (item for item in items if item not in left_out), key=lambda item: item.get_closest_marker("long") is None
    )
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))


def pytest_sessionfinish() -> None:
    processes.SERVER.end()


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """A command as a user types it: `command("train.py", "model=foo")`; runs go below the test's own folder."""

    def go(script: str, *words: str, fresh: bool = False, **environment: str) -> CompletedProcess[str]:
        environment = {**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "runs"), **environment}
        return processes.finish(ROOT / script, *words, cwd=tmp_path, env=environment, fresh=fresh)

    return go


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Callable[..., tuple[int, str, str]]:
    """A command's `main` as a user types it, in this process: `typed(main, "RUN", "--out", "x.png")`.

    It answers with the exit code, what was printed, and what was complained of.
    """

    def go(main: Callable[[], None], *words: Any) -> tuple[int, str, str]:
        from encore.command import end

        monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
        monkeypatch.setattr("encore.fast.garbage.search_less", lambda: None)  # this process goes on
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            end(main)
        said = capfd.readouterr()
        return stop.value.code, said.out, said.err

    return go


def without_importing(modules: set[str], script: Path, words: list[str], cwd: Path) -> CompletedProcess[str]:
    """A command in a process of its own; it ends in an AssertionError if it imports one of these modules."""
    program = (
        "import runpy, sys\n"
        f"sys.argv = [{script.name!r}, *{words!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "finally:\n"
        f"    assert not {modules!r} & set(sys.modules)\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., processes.Process]]:
    """A sweep in a separate process, in one group with its children: `begin("seed=range(2)", …)`."""
    begun = []

    def go(*words: str, **environment: str) -> processes.Process:
        process = processes.start(
            ROOT / "train.py",
            "-m",
            *words,
            cwd=tmp_path,
            stdout=processes.PIPE,
            stderr=processes.STDOUT,
            start_new_session=True,
            env={**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "runs"), **environment},
        )
        begun.append(process)
        return process

    yield go
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Callable[..., tuple[int, str, str]]:
    """A sweep as a user types it, in this process: `sweep("seed=range(2)", …)`.

    It answers with the exit code, what was printed, and what was complained of.
    """
    spec = importlib.util.spec_from_file_location("train_command", ROOT / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def go(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", "-m", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            module.end(module.main)
        said = capfd.readouterr()
        return stop.value.code, said.out, said.err

    return go


@pytest.fixture
def forked_reproduction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a reproduction's second run is forked."""
    from encore.analysis import second_run

    monkeypatch.setattr(
        second_run, "subprocess", SimpleNamespace(Popen=processes.popen, PIPE=processes.PIPE, DEVNULL=processes.DEVNULL)
    )


@pytest.fixture
def reproduce(
    forked_reproduction: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> Iterator[Callable[..., CompletedProcess[str]]]:
    """`reproduce` as a user types it, in this process: `reproduce(folder, "--tolerance", "1e-5")`."""
    from encore import command
    from encore.commands import reproduce

    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def go(*words: Any) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["reproduce.py", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            command.end(reproduce.main)
        return CompletedProcess(sys.argv, stop.value.code, *capfd.readouterr())

    yield go
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def real_data() -> Path:
    """The folder with the real datasets."""
    for name in ("MNIST", "FashionMNIST"):
        if not (REAL / name / "raw").is_dir():
            pytest.skip(f"needs the real {name} in {REAL.resolve()}: python scripts/fetch_data.py mnist fashion_mnist")
    return REAL


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray, compress: bool = False) -> None:
    """Write a set in MNIST's format."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array, magic in (
        (f"{prefix}-images-idx3-ubyte", images, 0x803),
        (f"{prefix}-labels-idx1-ubyte", labels, 0x801),
    ):
        content = struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)


def pictures(n: int, classes: int, shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures whose brightness tells their class, and the classes, equally frequent."""
    labels = np.arange(n) % classes
    noise = np.random.default_rng(seed).integers(0, 40, (n, *shape))
    return (noise + labels.reshape(-1, *[1] * len(shape)) * (200 // classes)).astype(np.uint8), labels


@pytest.fixture
def mnist_files(tmp_path: Path) -> Callable[..., Path]:
    """Make a data folder with a small dataset of MNIST's format: `mnist_files("KMNIST")`."""

    def make(name: str, compress: bool = False) -> Path:
        raw = tmp_path / "data" / name / "raw"
        write_idx(raw, "train", *pictures(400, 10, (28, 28)), compress)
        write_idx(raw, "t10k", *pictures(100, 10, (28, 28), seed=1), compress)
        return tmp_path / "data"

    return make


@pytest.fixture
def cifar_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a data folder with a small dataset of CIFAR's format, and tell torchvision its files' digests."""

    def make(name: str) -> Path:
        from torchvision import datasets

        cls = getattr(datasets, name)
        folder = tmp_path / "data" / cls.base_folder
        folder.mkdir(parents=True)
        lists: dict[str, list[list[str]]] = {}
        for which, n in (("train_list", 200), ("test_list", 100)):
            lists[which] = []
            for file, _ in getattr(cls, which):
                fine = 100 if name == "CIFAR100" else 10
                images, labels = pictures(n, fine, (3072,))
                keys = {"fine_labels": labels.tolist(), "coarse_labels": (labels // 5).tolist()}
                content = {"data": images, **(keys if fine == 100 else {"labels": labels.tolist()})}
                lists[which].append([file, write_pickle(folder / file, content)])
            monkeypatch.setattr(cls, which, lists[which])
        names = {cls.meta["key"]: [str(number) for number in range(100)]}
        monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": write_pickle(folder / cls.meta["filename"], names)})
        return tmp_path / "data"

    return make


def write_pickle(file: Path, content: Any) -> str:
    """Write a pickle; returns its MD5."""
    file.write_bytes(pickle.dumps(content))
    return hashlib.md5(file.read_bytes()).hexdigest()
