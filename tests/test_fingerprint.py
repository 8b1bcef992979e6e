import shutil

import pytest

from encore import fingerprint as module
from encore.accelerator import resolve
from encore.compose import config_from
from encore.fingerprint import fingerprint, lineage


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


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A copy of the package's source that a test may change."""
    copy = tmp_path / "encore"
    shutil.copytree(module.SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "SOURCE", copy)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: Spec(copy if name == "encore" else None))
    return copy


class Spec:
    def __init__(self, folder):
        self.origin = str(folder / "__init__.py") if folder else None


def test_a_changed_line_of_the_core_changes_it(source):
    cfg = config_from({})
    before = fingerprint(cfg)
    (source / "data" / "split.py").write_text((source / "data" / "split.py").read_text() + "# changed\n")
    assert fingerprint(cfg) != before


def test_a_model_counts_only_where_it_is_used(source):
    mlp, cnn = config_from({"model": "mlp"}), config_from({"model": "cnn"})
    before = fingerprint(mlp), fingerprint(cnn)
    (source / "models" / "cnn.py").write_text((source / "models" / "cnn.py").read_text() + "# changed\n")
    (source / "models" / "new.py").write_text("# a model that is added")
    for report in ("results/runs.py", "record/verification.py", "callbacks/progress.py"):
        (source / report).write_text("# a report that is mended")
    assert fingerprint(mlp) == before[0]
    assert fingerprint(cnn) != before[1]


def test_a_run_of_another_length_is_of_the_same_lineage():
    longer = {"trainer.max_epochs": 99}
    assert lineage(config_from(longer)) == lineage(config_from({}))
    assert lineage(config_from({**longer, "scheduler": "step"})) == lineage(config_from({"scheduler": "step"}))


def test_a_schedule_over_the_whole_run_has_no_lineage():
    assert lineage(config_from({"scheduler": "cosine"})) is None
    assert lineage(config_from({"scheduler": "one_cycle"})) is None
