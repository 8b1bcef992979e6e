"""The course's project lies beside the engine: each of its experiments can be run, and the engine does not know it."""

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


def test_the_wheel_does_not_contain_it():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = [ROOT / place for place in built["only-include"]]
    assert not [place for place in packed if COURSE.is_relative_to(place)]
