"""A recorded config, which may be a stranger's, makes Python do nothing that the project itself does not name."""

import copy
import importlib
import inspect
import os
import sys
from pathlib import Path

import pytest
import yaml

from encore.config import places
from encore.config.compose import config_from
from encore.errors import InputError
from encore.provenance.trust import HARMLESS, TRAINER, check_targets, recorded_config
from encore.record import seal

HOSTILE = (
    "os.system",
    "posix.system",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "builtins.__import__",
    "functools.partial",
    "hydra.utils.instantiate",
    "hydra.utils.get_class",
    "hydra.utils.get_method",
    "hydra.utils.call",
    "torch.load",
    "torch.hub.load",
    "torch.optim.adam.torch.load",
    "torch.optim.Adam.__init__",
    "torch.optim.lr_scheduler.LambdaLR",
    "torchvision.datasets.utils.download_url",
    "torchvision.datasets.DatasetFolder",
    "torchvision.datasets.LSUN",
    "pytorch_lightning.callbacks.os.system",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.callbacks.LambdaCallback",
    "encore.run",
    "encore.build.build",
    "encore.config.build.locate",
    "encore.runner.ranks.Ranks",
    "encore.files.write_text",
    "encore.callbacks.checkpoints.save",
    "encore.callbacks.checkpoints.pl",
    "encore.callbacks.checkpoints.pl.Trainer",
    "encore.callbacks.checkpoints.Checkpoint",  # Lightning's, imported there
    "encore.data.sources.np.load",
    "encore.data.sources.Path",
    "encore.data.sources.target_of",
    "encore.data.cifar.pickle.loads",
    "encore.models.mlp.nn",
    "encore.models.mlp.torch.load",
    "encore.models.mlp.MLP.__init__",
    "encore.models.mlp.MLP.__subclasses__",
    "encore.models.mlp.__loader__",
    "encore.models.mlp.Nothing",
    "encore.models.nothing.Net",
    "encore.models...build.Net",
    "encore.models./etc/passwd.Net",
    "encore.models.mlp. MLP",
    "MLP",
    ".os.system",
    "os.",
    "..",
    "",
    None,
    7,
    True,
    ["os.system"],
    {"_target_": "torch.optim.SGD"},
)


@pytest.fixture(scope="module")
def composed():
    return config_from({"callbacks": "early_stopping", "augment": ["flip_crop"]})


@pytest.fixture
def cfg(composed):
    return copy.deepcopy(composed)


def put(cfg, place, value):
    """Set what stands at a dotted place."""
    *parents, last = place.split(".")
    for key in parents:
        cfg = cfg.setdefault(key, {})
    cfg[last] = value


def refused(cfg, *parts):
    with pytest.raises(InputError) as problem:
        check_targets(cfg, "a/config.yaml")
    for part in ("a/config.yaml: ", *parts):
        assert part in str(problem.value)


@pytest.mark.sampled(20)
@pytest.mark.parametrize("target", HOSTILE, ids=str)
def test_a_target_that_the_project_does_not_name_is_refused(cfg, target):
    put(cfg, "optim._target_", target)
    refused(cfg, "optim._target_ ", f"{target!r}, which" if isinstance(target, str) else "must be a text")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("task.metrics.accuracy._target_", "os.system"),
        ("callbacks.extra", {"_target_": "os.system"}),
        ("trainer.profiler", {"_target_": "os.system"}),
        ("data.test", {"_target_": "torchvision.datasets.MNIST", "transform": {"_target_": "os.system"}}),
        ("model.widths", [1, [{"deep": [{"_target_": "os.system"}]}]]),
        ("anything.at.all", {"_target_": "os.system"}),
        ("model.net", ({"_target_": "os.system"},)),
    ],
)
def test_wherever_it_stands(cfg, place, value):
    put(cfg, place, value)
    refused(cfg, place)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("optim._args_", ["x"]),
        ("optim._partial_", False),
        ("optim._recursive_", True),
        ("optim._convert_", "object"),
        ("optim.lr", "${oc.env:HOME}"),
        ("runs_dir", "runs/${now:%Y}"),
        ("task.metrics.accuracy.average", [{"deep": "${seed}"}]),
        ("optim.${seed}", 1),
        ("trainer.plugins", ["x"]),
        ("trainer.default_root_dir", "/"),
        ("trainer.model_registry", "x"),
        ("model.widths", (1, 2)),
        ("model.widths", b"1"),
    ],
)
def test_what_hydra_or_lightning_would_take_for_more_than_a_value_is_refused(cfg, place, value):
    put(cfg, place, value)
    refused(cfg, place)


def test_nothing_is_imported_that_is_refused(cfg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("stranger.py").write_text("open('was_here', 'w')\nclass Net: pass\n")
    put(cfg, "model._target_", "stranger.Net")
    refused(cfg, "model._target_", "stranger.Net", "configs/")
    assert not Path("was_here").exists()
    assert "stranger" not in sys.modules


@pytest.fixture
def own_configs(tmp_path, monkeypatch):
    """A project whose configs name a class of the user's own module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mine.yaml").write_text("_target_: mine_of_trust.Net\nx: {_target_: json.loads}")
    (tmp_path / "mine_of_trust.py").write_text(
        "import os\nfrom os import system\nfrom pathlib import Path\n"
        "class Net: pass\nclass Other: pass\nclass _Hidden: pass\ndef act(): pass\n"
    )
    monkeypatch.setenv("ENCORE_CONFIGS", str(tmp_path / "configs"))
    yield
    sys.modules.pop("mine_of_trust", None)


@pytest.mark.usefixtures("own_configs")
@pytest.mark.parametrize("target", ["mine_of_trust.Net", "mine_of_trust.Other", "json.loads"])
def test_what_the_project_s_own_configs_name_is_trusted_and_so_are_classes_beside_it(target):
    check_targets({"model": {"_target_": target}}, "here")


@pytest.mark.usefixtures("own_configs")
@pytest.mark.parametrize("name", ["system", "os.system", "Path", "_Hidden", "act", "Net.__init__", "nothing"])
def test_but_nothing_else_of_that_module_is(name):
    refused({"model": {"_target_": f"mine_of_trust.{name}"}}, "model._target_")


@pytest.mark.usefixtures("own_configs")
def test_nor_is_a_module_of_python_itself():
    refused({"model": {"_target_": "json.JSONDecoder"}}, "model._target_")


@pytest.mark.parametrize("target", ["encore.models.wide_resnet.Block", "encore.data.sources.ArraySource"])
def test_classes_of_the_project_s_parts_are_trusted(target):
    check_targets({"model": {"_target_": target}}, "here")


@pytest.mark.parametrize("package", HARMLESS)
def test_what_is_called_harmless_are_classes_that_there_are(package):
    names = HARMLESS[package]
    assert [name for name in names if not inspect.isclass(getattr(importlib.import_module(package), name, None))] == []
    check_targets({name: {"_target_": f"{package}.{name}"} for name in names}, "here")


def test_trainer_s_settings_are_lightning_s():
    from pytorch_lightning import Trainer

    assert set(TRAINER) <= inspect.signature(Trainer).parameters.keys()


# What a user's own parts are named by: by themselves they name nothing.
OF_OTHERS = ("lightning", "none")
OPTIONS = [
    (file.parent.name, file.stem)
    for file in sorted(places.engine().glob("*/*.yaml"))
    if file.parent.name not in ("task", "data", "model", "optim") or file.stem not in OF_OTHERS
]
NEEDS = {
    **{option: {"data.normalize": "minmax"} for option in ("rand_augment", "aug_mix")},
    **{option: {"task": "regression"} for option in ("exam_scores", "thermometer")},
    "regression": {"data": "exam_scores"},
    "thumbtack": {"task": "likelihood"},
    "likelihood": {"data": "thumbtack"},
    "binary": {"data": "gate_xor"},
    "images": {"data.root": "photos", "data.num_classes": 2, "data.shape": [1, 8, 8]},
    "npz": {"data.path": "own.npz", "data.num_classes": 2, "data.shape": [6]},
    "packed": {"data.path": "packed", "data.num_classes": 2, "data.shape": [1, 8, 8]},
    "arrays": {"data.path": "own.npz", "data.num_classes": 2, "data.inputs": "x", "data.shape": [6]},
    "multilabel": {
        "data": "arrays",
        "data.path": "own.npz",
        "data.inputs": "x",
        "data.shape": [6],
        "+data.num_labels": 3,
    },
    "table": {"data.path": "own.csv", "data.num_classes": 2, "data.inputs": ["a", "b"], "data.shape": [2]},
    "huggingface": {"data.path": "own", "data.num_classes": 2, "data.inputs": "x", "data.shape": [6]},
    "masks": {
        "data.pictures.folder": "photos",
        "data.masks.folder": "masks",
        "data.num_classes": 2,
        "data.shape": [1, 8, 8],
        "task": "segmentation",
    },
}


# Experiments, sweeps and regularisers are made of the other groups' options, of which each is here.
MADE_OF_OTHERS = ("experiment", "regulariser", "sweep")


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("group", "option"),
    [
        pytest.param(group, option, marks=pytest.mark.slow if group in MADE_OF_OTHERS else ())
        for group, option in OPTIONS
    ],
)
def test_every_config_that_the_project_composes_can_be_recorded_and_read(group, option, tmp_path):
    composed = config_from({group: [option] if group == "augment" else option, **NEEDS.get(option, {})})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(composed, sort_keys=False, allow_unicode=True))
    assert recorded_config(tmp_path) == composed


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(30))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}]}}\n" for n in range(60))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1, 2]",
        b"a: [",
        b"a: !!python/object/apply:os.system [touch was_here]",
        b"a: !!timestamp x",
        b"\xff\xfe\x00",
        b"a: &a [*a]",
        BOMB.encode(),
        MERGES.encode(),
        b"a: " + b"[" * 100_000,
        b"a: " + b"[" * 100 + b"]" * 100,
        b"? 0x" + b"f" * 9_000 + b"\n: {_target_: os.system}",
        b"a: !!omap [b: {_target_: os.system}]",
        b"a: " + b"x" * 10_000_000,
    ],
    ids=lambda content: content[:30].decode(errors="replace"),
)
def test_a_file_that_holds_no_config_is_unusable(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.yaml"):
        recorded_config(Path())
    assert not Path("was_here").exists()


@pytest.mark.parametrize(
    "line",
    [
        "seed: -1",
        "trainer: 5",
        "task: {_target_: encore.tasks.classification.Classification, metrics: 5}",
        f"threads: -0x1{'0' * 9_000}",
    ],
    ids=len,
)
def test_a_recorded_config_that_is_not_valid_is_unusable(cfg, line, tmp_path):
    (tmp_path / "config.yaml").write_text(f"{yaml.safe_dump(cfg)}\n{line}\n")  # the last of two counts
    with pytest.raises(InputError, match=r"config\.yaml is not a valid config"):
        recorded_config(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_file_that_never_ends_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "config.yaml")
    with pytest.raises(InputError, match="is no file but a pipe"):
        recorded_config(tmp_path)


def test_evaluate_refuses_a_config_that_names_code(command, run, tmp_path):
    folder = run({"trainer.max_epochs": 1, "logger": "none"}).folder
    file = folder / "config.yaml"
    assert "encore.models.mlp.MLP" in file.read_text()
    hostile = yaml.safe_load(file.read_text())
    hostile["model"] = {"name": "mlp", "_target_": "pathlib.Path.touch", "self": str(tmp_path / "was_here")}
    file.write_text(yaml.safe_dump(hostile))
    seal.write(folder)
    answer = command("scripts/evaluate.py", str(folder))
    assert answer.returncode == 3
    for part in (str(file), "model._target_", "pathlib.Path.touch", "configs/"):
        assert part in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "was_here").exists()
