import weakref

import pytest
import torch

from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.errors import InputError


@pytest.fixture
def data(mnist_files):
    cfg = config_from(["data=mnist", "data.sha256=null", f"data_dir={mnist_files('MNIST')}"])
    module = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    module.setup()
    return module


def test_a_batch_of_all_is_every_training_example_whatever_the_split(run):
    short = {"trainer.max_epochs": 2, "logger": "none"}
    for split, examples in (({}, 1258), ({"data.fraction": 0.2}, 252), ({"data.folds": 2, "data.bootstrap": 0}, 718)):
        whole, counted = (run({**short, **split, "data.batch_size": size}) for size in ("all", examples))
        assert whole.steps == 2
        assert whole.weights_sha256 == counted.weights_sha256
        assert whole.fingerprint != counted.fingerprint


def test_a_test_set_is_not_held_while_a_run_trains_and_is_the_same_again(data):
    before, held = data.test_source.inputs.clone(), weakref.ref(data.test_source)
    data.close_test()
    assert held() is None
    assert data.sizes["test"] == 100
    assert data.opened_test().inputs.equal(before)
    assert data.test_indices.equal(torch.arange(100))


def test_a_test_set_that_has_changed_meanwhile_is_refused(data, mnist_files):
    data.close_test()
    labels = data.data_dir / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[-1] = (content[-1] + 1) % 10
    labels.write_bytes(content)
    with pytest.raises(InputError, match="the test set of data=mnist has changed since the run began"):
        data.opened_test()


def test_a_run_lets_go_of_its_test_set_and_tests_it(run, mnist_files, monkeypatch):
    held = []
    note = DataModule.note
    monkeypatch.setattr(DataModule, "note", lambda data, *args: (held.append(data.test_source), note(data, *args)))
    folder = mnist_files("MNIST")
    result = run({"data": "mnist", "data.sha256": None, "data_dir": str(folder), "trainer.max_epochs": 1})
    assert held == [None]
    assert "test/accuracy" in result.metrics
