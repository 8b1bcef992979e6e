"""A run's folder that is damaged or a stranger's: every command answers, shows the other runs, writes nothing else."""

import importlib
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from mutations import Mutation, mutations

from encore.command import end
from encore.record.reading import read_result

ALL, SOME = int(os.environ.get("ENCORE_MUTATIONS", "300")), 60
GOOD, BAD = "good", "bad"
# What each command is told; {runs} has both runs, {run} is the mutated one.
COMMANDS: dict[str, list[str]] = {
    "runs": ["{runs}"],
    "curves": ["{runs}", "--metrics", "loss", "--out", "{out}/curves.png"],
    "evaluate": ["{run}"],
    "reproduce": ["{run}"],
    "report": ["{runs}", "--mixed", "--out", "{out}/report"],
    "draw": ["{runs}", "--what", "mistakes", "--count", "4", "--out", "{out}/picture.png"],
    "ensemble": ["{runs}", "--out", "{out}/ensemble"],
    "gap": ["{runs}", "--out", "{out}/gap"],
    "claims": ["claimed", "--out", "{out}/claims"],
}
# Those that show the good run, whatever the other one is like.
SHOWN = ("runs", "curves", "report", "draw", "gap")
LIMIT = 60  # seconds until a command counts as one that hangs
CLAIMED = """# @package _global_
trainer: {max_epochs: 1, accelerator: cpu}
data: {fraction: 0.1}
threads: 1
seed: 1
defaults: [override /logger: csv]
claims: [{metric: test/accuracy, at_least: 0, source: made for this test}]
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, links and alarms of POSIX")


@pytest.fixture(scope="module")
def claimed(tmp_path_factory) -> Path:
    """A folder of configs with an experiment, whose run is the mutated one."""
    configs = tmp_path_factory.mktemp("configs")
    (configs / "experiment").mkdir()
    (configs / "experiment" / "claimed.yaml").write_text(CLAIMED)
    return configs


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    """Two finished runs."""
    import encore

    place = tmp_path_factory.mktemp("originals")
    for seed, name in enumerate((GOOD, BAD)):
        settings = {
            "runs_dir": str(place / "runs"), "threads": 1, "trainer.accelerator": "cpu", "trainer.max_epochs": 1,
            "data.fraction": 0.1, "seed": seed, "logger": "csv",
        }  # fmt: skip
        encore.run(settings).folder.rename(place / name)
    shutil.rmtree(place / "runs")
    return place


@pytest.fixture
def attempt(originals, claimed, tmp_path, monkeypatch, capsys):
    """Apply a mutation to a copy, and run a command on it; returns its exit code and what it said."""
    from encore.commands import reproduce

    # What the second run would give; to run it takes ten seconds.
    monkeypatch.setattr(reproduce, "run_again", lambda *_: originals / BAD)
    monkeypatch.setattr(Figure, "savefig", saved)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_CONFIGS", str(claimed))
    monkeypatch.setenv("ENCORE_RUNS_DIR", str(tmp_path / "runs"))
    claims_run = tmp_path / "runs" / "digits-mlp-adam" / f"seed1-{read_result(originals / BAD)['fingerprint'][:10]}"
    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM)}

    def go(mutation: Mutation, name: str) -> tuple[int, str]:
        runs, out = tmp_path / "runs", tmp_path / "out"
        for place in (runs, out):
            shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(originals, runs)
        (tmp_path / "elsewhere").write_text("somebody's")
        mutation.apply(runs / BAD)
        if name == "claims":
            claims_run.parent.mkdir()
            (runs / BAD).rename(claims_run)
        before = seen(runs)
        words = [word.format(runs=runs, run=runs / BAD, out=out) for word in COMMANDS[name]]
        monkeypatch.setattr(sys, "argv", [f"encore {name}", *words])
        main = importlib.import_module(f"encore.commands.{name}").main
        capsys.readouterr()
        signal.signal(signal.SIGALRM, hangs)
        signal.alarm(LIMIT)
        with pytest.raises(SystemExit) as ended:
            end(main)
        signal.alarm(0)
        said = capsys.readouterr()
        if name == "claims":  # which has an unfinished run go on
            assert [path.name for path in claims_run.parent.iterdir()] == [claims_run.name]
        else:
            assert seen(runs) == before
        assert (tmp_path / "elsewhere").read_text() == "somebody's"
        assert {path.name for path in tmp_path.iterdir()} <= {"runs", "elsewhere", "out"}
        return ended.value.code or 0, said.out + said.err

    yield go
    signal.alarm(0)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def saved(_: Figure, target, **settings):
    """A picture, without the half second that it takes to draw one."""
    target.write(b"picture") if hasattr(target, "write") else Path(target).write_bytes(b"picture")


def hangs(*_):
    raise TimeoutError("the command hangs")


def seen(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What is in a folder, without reading it."""
    return {
        str(path): (facts.st_mode, facts.st_size, facts.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        for facts in [path.lstat()]
    }


def judged(mutation: Mutation, name: str, code: int, said: str, tmp_path: Path) -> str | None:
    """What is wrong with an answer, or None."""
    if steering := [sign for sign in said if not sign.isprintable() and sign != "\n"]:
        return f"steers the terminal: {steering}"
    if code not in ((0,) if name in SHOWN else (0, 3, 4)):
        return f"exit code {code}"
    shown = {
        "runs": lambda: f"{tmp_path / 'runs' / GOOD}" in said,
        "curves": lambda: (tmp_path / "out" / "curves.png").stat().st_size > 0,
        "draw": lambda: (tmp_path / "out" / "picture.png").stat().st_size > 0,
        "report": lambda: str(tmp_path / "runs" / GOOD) in (tmp_path / "out" / "report" / "report.md").read_text(),
        "gap": lambda: str(tmp_path / "runs" / GOOD) in (tmp_path / "out" / "gap" / "gap.md").read_text(),
    }
    if name in shown and not shown[name]():
        return "the other run is not shown"
    return None


def tried(attempt, chosen: list[tuple[Mutation, str]], tmp_path: Path) -> str:
    """What was wrong with the answers, a paragraph each."""
    wrong = []
    for mutation, name in chosen:
        try:
            code, said = attempt(mutation, name)
            problem = judged(mutation, name, code, said, tmp_path)
        except Exception:
            signal.alarm(0)
            said, problem = "", "".join(traceback.format_exc(limit=-3))
        if problem:
            wrong.append(f"{name} of {mutation.name}: {problem}\n    {said[-400:]}")
    return "\n".join(wrong)


def test_some_mutations(attempt, originals, tmp_path):
    names = ("runs", "curves", "evaluate", "reproduce")  # the quick ones
    found = mutations(originals / BAD, SOME)
    chosen = [(mutation, names[number % len(names)]) for number, mutation in enumerate(found)]
    assert not (wrong := tried(attempt, chosen, tmp_path)), wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_all_mutations(attempt, originals, tmp_path, name):
    found = mutations(originals / BAD, ALL, seed=1)
    assert not (wrong := tried(attempt, [(mutation, name) for mutation in found], tmp_path)), wrong
