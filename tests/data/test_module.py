import pytest
import torch

from encore.compose import config_from
from encore.data.module import DataModule


@pytest.fixture
def data(mnist_files):
    cfg = config_from(["data=mnist", "data.sha256=null", f"data_dir={mnist_files('MNIST')}"])
    module = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    module.setup()
    return module


def test_a_test_set_is_not_held_while_a_run_trains_and_is_the_same_again(data):
    before = data.test_source.inputs.clone()
    data.close_test()
    assert data.test_source is None
    assert data.sizes["test"] == 100
    source, indices = data.open_test()
    assert source.inputs.equal(before)
    assert indices.equal(torch.arange(100))
