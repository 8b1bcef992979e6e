"""The schemas by which editors judge the configs: they are those of the code, and judge as it does."""

import json

import pytest
from conftest import ROOT
from jsonschema import Draft7Validator
from omegaconf import OmegaConf
from referencing import Registry, Resource

from encore.commands.schema import FOLDER, schemas, written
from encore.config import places

CONFIGS = (places.engine(), ROOT / "src" / "course" / "configs")
GROUPS = ("train", "data", "task", "model", "optim", "scheduler", "augment", "callbacks", "logger", "trainer")
WHOLE = ("experiment", "sweep", "regulariser", "debug")
FILES = {
    file: file.relative_to(folder).as_posix()
    for folder in CONFIGS
    for file in sorted(folder.rglob("*.yaml"))
    if "hydra" not in file.parts
}


@pytest.fixture(scope="module")
def validator():
    """Judges a group's settings: `validator("model", {…})` are the problems."""
    known = {group: json.loads((ROOT / FOLDER / f"{group}.json").read_text()) for group in GROUPS}
    resources = [(f"{group}.json", Resource.from_contents(schema)) for group, schema in known.items()]

    def problems(group, settings):
        judge = Draft7Validator(known[group], registry=Registry().with_resources(resources))
        return [f"{each.json_path} {each.message}" for each in judge.iter_errors(settings)]

    return problems


def test_they_are_up_to_date():
    for group, schema in schemas().items():
        assert (ROOT / FOLDER / f"{group}.json").read_text() == written(schema), "renew them: make schema"


@pytest.mark.parametrize(("file", "name"), FILES.items(), ids=FILES.values())
def test_every_config_is_valid(validator, file, name):
    group = name.partition("/")[0].removesuffix(".yaml")
    settings = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert validator("train" if group in WHOLE else group, settings) == []


@pytest.mark.parametrize(
    ("group", "settings"),
    [
        ("train", {"seed": -1}),
        ("train", {"optmi": {"lr": 0.1}}),
        ("train", {"trainer": {"max_epoch": 3}}),
        ("train", {"data": {"shufle": True}}),
        ("train", {"data": {"normalize": "zscore"}}),
        ("train", {"monitor": {"mode": "best"}}),
        ("train", {"claims": [{"metrics": "val/loss"}]}),
        ("data", {"name": "mine", "batch_sise": 3}),
        ("data", {"name": "mine", "train": {"_target_": "encore.data.table.Table", "rows": []}}),
        ("model", {"_target_": "encore.models.mlp.MLP", "wdith": 3}),
        ("model", {"_target_": "encore.models.mlp.MLP", "widths": 128}),
        ("model", {"_target_": "encore.models.mlp.MLP", "norm": "group"}),
        ("optim", {"_target_": "torch.optim.Adam", "momentun": 0.9}),
        ("callbacks", {"norms": {"_target_": "encore.callbacks.norms.Norms", "evry": 3}}),
        ("trainer", {"precision": "8-bit"}),
    ],
)
def test_a_mistake_is_underlined(validator, group, settings):
    assert validator(group, settings)


@pytest.mark.parametrize(
    ("group", "settings"),
    [
        ("train", {"vars": {"width": 64}, "model": {"widths": ["${vars.width}"]}}),
        ("data", {"_target_": "mine.Data", "anything": 1}),
        ("model", {"_target_": "mine.Net", "norm": "group", "depth": [3, 4, 6, 3], "dropout": None}),
        ("callbacks", {"mine": {"_target_": "mine.Callback", "every": [1]}, "progress": None}),
        ("scheduler", {"_target_": "encore.optim.cosine.cosine", "total": "auto"}),
    ],
)
def test_what_is_ones_own_is_not_underlined(validator, group, settings):
    assert validator(group, settings) == []


def test_an_editor_finds_the_schema_of_every_config():
    mapped = json.loads((ROOT / ".vscode" / "settings.json").read_text())["yaml.schemas"]
    globs = [
        pattern for patterns in mapped.values() for pattern in ([patterns] if isinstance(patterns, str) else patterns)
    ]
    assert {file for pattern in globs for file in ROOT.glob(pattern)} == set(FILES)
    assert all((ROOT / schema).is_file() for schema in mapped)
