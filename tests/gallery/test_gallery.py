"""Every example of docs/gallery.md runs in a new project as the page says, and the engine stays as it is.

An example is a section of the page: it links to files below docs/gallery/NAME/, has one command, and says what the
command gives as in "`test/accuracy` is 0.93".
"""

import json
import os
import re
import shlex
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from processes import PIPE, STDOUT, Process, start

from encore.project.create import create
from encore.record.result import Result

PAGES = sorted((ROOT / "docs").glob("gallery*.md"))
FOLDER = ROOT / "docs" / "gallery"
QUICK = ("lightning",)
ON_ONE_THREAD = ("trainer=cpu", "threads=1")
OFTEN = ("callbacks.checkpoint.every_n_steps=1", "callbacks.checkpoint.min_seconds_between=0")


@dataclass(frozen=True)
class Example:
    """What a section of the page says."""

    name: str
    words: tuple[str, ...]
    metric: str
    value: float

    @property
    def files(self) -> Path:
        return FOLDER / self.name


def read(section: str) -> Example:
    (name,) = set(re.findall(r"\]\(gallery/(\w+)/", section))
    (command,) = re.findall(r"```bash\npython train\.py (.*?)\n```", section, re.DOTALL)
    ((metric, value),) = re.findall(r"`([\w/]+)` is (\d+\.\d+)", section)
    return Example(name, tuple(shlex.split(command.replace("\\\n", " "))), metric, float(value))


EXAMPLES = [read(section) for page in PAGES for section in page.read_text().split("\n## ")[1:]]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A new project with the files of all examples."""
    folder = tmp_path_factory.mktemp("gallery") / "study"
    create(folder, "study", f"encore @ {ROOT.as_uri()}")
    for example in EXAMPLES:
        for file in files(example):
            place = folder / file.relative_to(example.files)
            assert not place.exists(), f"{place} is of another example, or of the project itself"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    return folder


def files(example: Example) -> list[Path]:
    return [path for path in example.files.rglob("*") if path.suffix in (".py", ".yaml")]


def begin(project: Path, *words: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if name not in ("ENCORE_CONFIGS", "ENCORE_RUNS_DIR")}
    return start(*words, cwd=project, stdout=PIPE, stderr=STDOUT, env=kept)


def go(project: Path, *words: str) -> str:
    """What a command says; it must end well."""
    process = begin(project, *words)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def kill_within(project: Path, runs: Path, *words: str) -> None:
    """Start a run, and kill it once it has a checkpoint."""
    process = begin(project, *words)
    deadline = time.monotonic() + 120
    while not list(runs.rglob("last.ckpt")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, said


def result_in(runs: Path) -> Result:
    (file,) = runs.rglob("result.json")
    return Result.read(file.parent)


@pytest.mark.long
@pytest.mark.parametrize(
    "example", [pytest.param(e, id=e.name, marks=() if e.name in QUICK else pytest.mark.slow) for e in EXAMPLES]
)
def test_it_runs_as_the_page_says_and_is_resumed_to_the_same_bits(project, tmp_path, example):
    train = ("train.py", *example.words, *ON_ONE_THREAD)
    said = go(project, *train, f"runs_dir={tmp_path / 'whole'}")
    whole = result_in(tmp_path / "whole")
    assert whole.status == "finished"
    assert whole.metrics[example.metric] == pytest.approx(example.value, rel=0.1), "docs/gallery.md says otherwise"
    assert "in a way that reading the code does not show" not in said
    assert whole.undeclared == {}
    assert sources(whole) == {str(path.relative_to(example.files)) for path in files(example) if path.suffix == ".py"}

    short = (*train, "trainer.max_epochs=2")
    go(project, *short, f"runs_dir={tmp_path / 'short'}")
    killed = (*short, *OFTEN, f"runs_dir={tmp_path / 'killed'}")
    kill_within(project, tmp_path / "killed", *killed)
    assert "where it was stopped" in go(project, *killed)
    reference, resumed = result_in(tmp_path / "short"), result_in(tmp_path / "killed")
    assert resumed.fingerprint == reference.fingerprint
    assert resumed.metrics == reference.metrics
    assert (resumed.weights_sha256, resumed.losses_sha256) == (reference.weights_sha256, reference.losses_sha256)

    listed = go(project, "-m", "encore", "runs", str(tmp_path / "whole"), "--metric", example.metric)
    assert f"{whole.metrics[example.metric]:.4f}" in listed
    report = ("report", str(tmp_path / "whole"), "--metric", example.metric, "--out", str(tmp_path / "report"))
    assert example.metric in go(project, "-m", "encore", *report)


def sources(result: Result) -> set[str]:
    """The project's own files in the run's fingerprint."""
    held = json.loads((result.folder / "manifest.json").read_text())["code"]["files"]
    return {name for name in held if name.startswith("src/study/") and name != "src/study/__init__.py"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_it_is_at_most_two_python_files_and_two_yamls(example):
    for suffix in (".py", ".yaml"):
        assert sum(file.suffix == suffix for file in files(example)) <= 2
    assert {file.relative_to(example.files).parts[0] for file in files(example)} <= {"src", "configs"}


def test_the_page_has_every_example_once():
    folders = {path.name for path in FOLDER.iterdir()}
    assert sorted(example.name for example in EXAMPLES) == sorted(folders)
