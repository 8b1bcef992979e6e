"""What changes a run's fingerprint, and what does not: on a copy of the engine, and code of a user's own beside it."""

import shutil
import time
from pathlib import Path

import pytest

import encore
from encore.config.accelerator import resolve
from encore.config.compose import config_from
from encore.provenance import distributions, remembered
from encore.provenance.fingerprint import code_of, fingerprint, lineage

ENGINE = Path(encore.__file__).parent


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"optim.lr": 0.01},
        {"threads": 7},
        {"model": "softmax"},
        {"data.split_seed": 1},
        {"data.folds": 5},
        {"data.bootstrap": 0},
        {"data.keep": {"Shirt": 0.1, 3: 0.5}},
        {"trainer.max_epochs": 3},
    ],
)
def test_what_determines_the_result_changes_it(change):
    assert fingerprint(config_from(change)) != fingerprint(config_from({}))


@pytest.mark.parametrize(
    "change",
    [
        {"runs_dir": "elsewhere"},
        {"data_dir": "other"},
        {"fresh": True},
        {"logger": "none"},
        {"data.num_workers": 0},
        {"callbacks.checkpoint.every_n_steps": 7},
        {"trainer.accelerator": resolve("auto")},
    ],
)
def test_where_and_how_a_run_is_shown_does_not(change):
    assert fingerprint(config_from(change)) == fingerprint(config_from({}))


# Runs by a name, as overrides. Those of a user's own begin with `my_`.
ALONE = {"model._target_": "alone.Net"}
RUNS = {
    "mlp": {},
    "cnn": {"model": "cnn"},
    "flip": {"augment": "flip_crop_small"},
    "mixup": {"augment": "mixup"},
    "cosine": {"scheduler": "cosine"},
    "table": {"data": "thermometer", "model": "line", "task": "regression"},
    "no_norms": {"callbacks.norms": None},
    "my_net": {"model._target_": "mine.nets.Net"},
    "my_module": ALONE,
    "my_space": {"model._target_": "space.inner.Net"},
    "my_text": {**ALONE, "+model.block": "mine.block_by_name.Block"},
    "my_weights": {**ALONE, "+model.checkpoint": "w.ckpt"},
    "my_list": {**ALONE, "+model.parts": ["parts/a.bin", "no/such.bin"]},
    "my_folder": {**ALONE, "+model.vocabulary": "words"},
    "my_installed": {"model._target_": "packaged.Net"},
}
MINE = {name for name in RUNS if name.startswith("my_")}
ALL = set(RUNS)
USER_FILES = {
    "mine/__init__.py": "import patches\n",
    "mine/nets.py": (
        "from typing import TYPE_CHECKING\n"
        "from . import blocks\n"
        "from .deep.er import *\n"
        "if TYPE_CHECKING:\n    import only_types\n"
        "def build():\n    import within_a_function\n"
        "def load():\n    return __import__('by_literal')\n"
        "class Net: ...\n"
    ),
    "mine/blocks.py": '"""Blocks."""\nfrom os import path\nSIZE = 1\n',
    "mine/deep/er.py": "from ... import nothing\nfrom ..far import away\n",
    "mine/far.py": "away = 1\n",
    "mine/block_by_name.py": "class Block: ...\n",
    "mine/unused.py": "X = 1\n",
    "patches.py": "PATCH = 1\n",
    "only_types.py": "T = int\n",
    "within_a_function.py": "W = 1\n",
    "by_literal.py": "L = 1\n",
    "alone.py": "import mine.far\nclass Net:\n    def __init__(self, **settings): ...\n",
    "space/inner/__init__.py": "from space.inner.net import Net\n",
    "space/inner/net.py": "class Net: ...\n",
    "w.ckpt": "weights",
    "parts/a.bin": "a",
    "words/en/list.txt": "one\n",
    "site-packages/packaged/__init__.py": "class Net: ...\n",
    "site-packages/packaged-1.0.dist-info/METADATA": "Name: packaged\nVersion: 1.0\n",
    "site-packages/packaged-1.0.dist-info/RECORD": "packaged/__init__.py,,\n",
}
OF_NET = {"my_net"}
OF_ALONE = {"my_module", "my_text", "my_weights", "my_list", "my_folder"}
IN_MINE = OF_NET | OF_ALONE
# A file, what is put at its end (or a function of its text), and which runs are then new.
ROWS = [
    ("encore/models/mlp.py", "X = 1\n", ALL - MINE - {"cnn", "table"}),
    ("encore/models/cnn.py", "X = 1\n", {"cnn"}),
    ("encore/models/linear.py", "X = 1\n", {"table"}),
    ("encore/models/new.py", "class New: ...\n", set()),
    ("encore/tasks/new.py", "class New: ...\n", set()),
    ("encore/tasks/binary.py", "X = 1\n", set()),
    ("encore/tasks/regression.py", "X = 1\n", {"table"}),
    ("encore/tasks/classification.py", "X = 1\n", ALL - {"table"}),
    ("encore/tasks/supervised.py", "X = 1\n", ALL),
    ("encore/data/augment/new.py", "class New: ...\n", set()),
    ("encore/data/augment/flip.py", "X = 1\n", {"flip"}),
    ("encore/data/augment/mixup.py", "X = 1\n", {"mixup"}),
    ("encore/data/augment/draws.py", "X = 1\n", {"flip", "mixup"}),
    ("encore/callbacks/new.py", "class New: ...\n", set()),
    ("encore/callbacks/norms.py", "X = 1\n", ALL - {"no_norms"}),
    ("encore/callbacks/progress.py", "X = 1\n", set()),
    ("encore/callbacks/losses.py", "X = 1\n", ALL),
    ("encore/optim/cosine.py", "X = 1\n", {"cosine"}),
    ("encore/data/table.py", "X = 1\n", {"table"}),
    ("encore/data/cifar.py", "X = 1\n", set()),
    ("encore/data/split.py", "X = 1\n", ALL),
    ("encore/data/split.py", "# a comment\n", set()),
    ("encore/data/split.py", lambda text: text.replace('"""', '"""Other words. ', 1), set()),
    ("encore/data/split.py", lambda text: text.replace("\n\n\n", "\n\n\n\n\n"), set()),
    ("encore/fast/execution.py", "X = 1\n", ALL),
    ("encore/record/checkpoint_files.py", "X = 1\n", ALL),
    ("encore/runner/training.py", "X = 1\n", ALL),
    ("encore/runner/summary.py", "X = 1\n", set()),
    ("encore/loggers/tensorboard.py", "X = 1\n", set()),
    ("encore/analysis/results/report.py", "X = 1\n", set()),
    ("encore/provenance/fingerprint.py", "X = 1\n", set()),
    ("mine/__init__.py", "X = 1\n", IN_MINE),
    ("patches.py", "X = 1\n", IN_MINE),
    ("mine/nets.py", "X = 1\n", OF_NET),
    ("mine/blocks.py", "X = 1\n", OF_NET),
    ("mine/blocks.py", "# a comment\n", set()),
    ("mine/blocks.py", lambda text: text.replace("Blocks", "Other words"), set()),
    ("mine/deep/er.py", "X = 1\n", OF_NET),
    ("mine/far.py", "X = 1\n", IN_MINE),
    ("mine/unused.py", "X = 1\n", set()),
    ("mine/block_by_name.py", "X = 1\n", {"my_text"}),
    ("within_a_function.py", "X = 1\n", OF_NET),
    ("by_literal.py", "X = 1\n", OF_NET),
    ("only_types.py", "X = 1\n", set()),
    ("alone.py", "X = 1\n", OF_ALONE),
    ("space/inner/__init__.py", "X = 1\n", {"my_space"}),
    ("space/inner/net.py", "X = 1\n", {"my_space"}),
    ("space/other.py", "X = 1\n", set()),
    ("w.ckpt", "x", {"my_weights"}),
    ("parts/a.bin", "x", {"my_list"}),
    ("words/en/list.txt", "x", {"my_folder"}),
    ("words/new.txt", "x", {"my_folder"}),
    ("site-packages/packaged/__init__.py", "X = 1\n", set()),  # a package's version speaks for it
    ("site-packages/packaged-1.0.dist-info/METADATA", lambda text: text.replace("1.0", "1.1"), {"my_installed"}),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A folder with a copy of the engine, and code of a user's own."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ENGINE, folder / "encore", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in USER_FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def project(copy, monkeypatch):
    """The same, as what Python imports from and where it is."""
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(copy.with_name("cache")))
    monkeypatch.setattr(remembered, "SETTLED", -1)  # the copies are young
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(copy / "site-packages")
    monkeypatch.syspath_prepend(copy)
    distributions.site_of.cache_clear()
    return copy


@pytest.fixture(scope="module")
def configs():
    return {name: config_from(overrides) for name, overrides in RUNS.items()}


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def before(project, configs, known):
    """The fingerprints before anything is edited; every test leaves the files as they were."""
    if not known:
        known |= fingerprints(configs)
    return known


def fingerprints(configs):
    distributions.claims.cache_clear()
    return {name: fingerprint(cfg) for name, cfg in configs.items()}


@pytest.mark.sampled(14)
@pytest.mark.parametrize(("file", "edit", "new"), ROWS, ids=[f"{number}-{row[0]}" for number, row in enumerate(ROWS)])
def test_which_runs_are_new_when_a_file_is_edited(project, configs, before, file, edit, new):
    place = project / file
    text = place.read_text() if place.exists() else None
    place.write_text(edit(text) if callable(edit) else (text or "") + edit)
    if "dist-info" in file:  # an installation replaces the folder, and with it the time of the one around
        place.parent.rename(place.parent.with_name("packaged-1.1.dist-info"))
    try:
        after = fingerprints(configs)
    finally:
        if "dist-info" in file:
            place.parent.with_name("packaged-1.1.dist-info").rename(place.parent)
        if text is None:
            place.unlink()
        else:
            place.write_text(text)
    assert {name for name in RUNS if before[name] != after[name]} == new


def test_where_a_file_lies_does_not_count_but_which_one_it_is_does(project):
    (project / "moved").mkdir(exist_ok=True)
    shutil.copyfile(project / "w.ckpt", project / "moved" / "v.ckpt")
    here, there = ({**ALONE, "+model.checkpoint": name} for name in ("w.ckpt", "moved/v.ckpt"))
    assert fingerprint(config_from(here)) == fingerprint(config_from(there))
    assert fingerprint(config_from({**ALONE, "+model.checkpoint": "w.ckp"})) != fingerprint(config_from(here))


def test_a_word_that_is_also_a_files_name_keeps_its_meaning(project):
    for name in ("one", "two"):
        (project / name).write_text("")
    one, two = (fingerprint(config_from({**ALONE, "+model.kind": name})) for name in ("one", "two"))
    assert one != two


def test_a_linked_folder_counts_by_what_is_in_it(project):
    outside = project / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "x.txt").write_text("1")
    (project / "words" / "linked").symlink_to(outside)
    (outside / "round").symlink_to(project / "words")
    cfg = config_from(RUNS["my_folder"])
    before = fingerprint(cfg)
    (outside / "x.txt").write_text("22")
    assert fingerprint(cfg) != before
    (project / "words" / "linked").unlink()


@pytest.mark.parametrize("declared", ["hidden", "hidden/deep.py", "hidden/data"])
def test_what_is_declared_counts(project, declared):
    (project / "hidden" / "data").mkdir(parents=True, exist_ok=True)
    for name in ("__init__.py", "deep.py", "data/table.json"):
        (project / "hidden" / name).write_text("1")
    cfg = {**config_from({}), "code": [declared]}
    before = fingerprint(cfg), fingerprint(config_from({}))
    (project / "hidden" / ("data/table.json" if declared == "hidden/data" else "deep.py")).write_text("22")
    assert fingerprint(cfg) != before[0]
    assert fingerprint(config_from({})) == before[1]


def test_a_file_that_is_declared_counts(project):
    cfg = {**config_from({}), "files": ["words", "w.ckpt"]}
    before = fingerprint(cfg)
    (project / "words" / "en" / "list.txt").write_text("two\n")
    assert fingerprint(cfg) != before


def test_versions_of_what_is_used_count():
    plain, digits = config_from({"data": "thermometer", "model": "line", "task": "regression"}), config_from({})
    assert "scikit-learn" in code_of(digits).packages
    assert "scikit-learn" not in code_of(plain).packages
    assert {"torch", "pytorch-lightning", "torchmetrics", "numpy"} <= code_of(plain).packages.keys()


def test_the_stock_runs_compute_with_the_same_code_wherever_the_engine_lies(project, configs):
    assert set(code_of(configs["mlp"]).files) == set(code_of(configs["mlp"]).digests)
    assert all(file.is_relative_to(project) for file in code_of(configs["mlp"]).files.values())


def test_it_takes_a_moment(project, configs):
    fingerprint(configs["cnn"])
    taken = []
    for _ in range(5):
        began = time.process_time()
        fingerprint(configs["cnn"])
        taken.append(time.process_time() - began)
    assert min(taken) < 0.5  # 0.02 on a quiet machine; ten times that would show that nothing is remembered


def test_a_run_of_another_length_is_of_the_same_lineage():
    longer = {"trainer.max_epochs": 99}
    assert lineage(config_from(longer)) == lineage(config_from({}))
    assert lineage(config_from({**longer, "scheduler": "step"})) == lineage(config_from({"scheduler": "step"}))


def test_a_schedule_over_the_whole_run_has_no_lineage():
    assert lineage(config_from({"scheduler": "cosine"})) is None
    assert lineage(config_from({"scheduler": "one_cycle"})) is None


def test_a_task_of_ones_own_may_look_at_the_length_and_has_no_lineage():
    assert lineage(config_from({"task._target_": "mine.Task"})) is None
