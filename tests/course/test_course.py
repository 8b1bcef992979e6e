"""The course's project lies beside the engine: each of its experiments can be run, and the engine does not know it."""

import importlib
import re
import tomllib

import pytest
from conftest import ROOT

from encore.analysis.claims import claim
from encore.config.compose import config_from

COURSE = ROOT / "src" / "course"
EXPERIMENTS = sorted((COURSE / "configs" / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_an_experiment_composes_claims_what_can_be_and_says_what_it_costs_and_gives(file):
    cfg = config_from({"experiment": file.stem})
    assert claim.problems(cfg) == []
    package, command, *header = [line for line in file.read_text().splitlines() if line.startswith("# ")]
    assert package == "# @package _global_"
    assert command.startswith(f"# python train.py experiment={file.stem}")
    said = " ".join(header)
    assert "Cost:" in said
    assert re.search("Result[^:]*:", said)


def test_no_line_of_the_engine_is_for_the_course_alone():
    named = [
        f"{file.relative_to(ROOT)}:{number}"
        for folder in ("src/encore", "src/hydra_plugins", "configs")
        for file in sorted((ROOT / folder).rglob("*"))
        if file.suffix in (".py", ".yaml", ".in")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(r"\bcourse\.\w|src/course|\bimdb\b", line)
    ]
    assert named == []


COMMANDS = {
    "anomaly": "course.anomaly.command",
    "efficiency": "course.efficient.command",
    "paths": "course.passing.paths",
    "reviews": "course.reviews.command",
    "shift": "course.shift.command",
    "streams": "course.streams.command",
    "transfer": "course.transfer",
    "voting": "course.passing.voting",
    "writers": "course.writers.command",
}


def test_every_command_of_the_course_is_known_here():
    named = {file.stem for file in (ROOT / "scripts").glob("*.py") if "from course." in file.read_text()}
    assert named == COMMANDS.keys()


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"reviews"}))  # which shows no recorded figure
def test_no_command_shows_a_run_that_was_altered(run, typed, tmp_path, name):
    folder = run({"experiment": "thumbtack", "trainer.max_epochs": 1}).folder
    result = folder / "result.json"
    result.write_text(result.read_text().replace('"seed": 0', '"seed": 7'))
    main = importlib.import_module(COMMANDS[name]).main
    code, _, complained = typed(main, folder, "--out", tmp_path / "out" / "x.png")
    assert (code, "result.json was changed since the run was over" in complained) == (3, True), complained
    assert not (tmp_path / "out").exists()


def test_the_wheel_does_not_contain_it():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = [ROOT / place for place in built["only-include"]]
    assert not [place for place in packed if COURSE.is_relative_to(place)]
