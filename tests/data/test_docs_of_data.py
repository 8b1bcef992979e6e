"""Every YAML of docs/data.md that is a dataset names settings that exist."""

import re

import pytest
import yaml
from conftest import ROOT

from encore.data.named.fields import fields_of

PAGE = (ROOT / "docs" / "data.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
DATASETS = [block for block in BLOCKS if "defaults" in block]


@pytest.mark.parametrize("block", DATASETS, ids=lambda block: block["name"])
def test_a_dataset_of_the_page_is_one_of_its_kind(block):
    (kind,) = block["defaults"]
    known = yaml.safe_load((ROOT / "configs" / "data" / f"{kind}.yaml").read_text())
    assert set(block) - {"defaults"} <= set(known) | set(
        yaml.safe_load((ROOT / "configs" / "train.yaml").read_text())["data"]
    )
    if "inputs" in known:
        assert fields_of({**known, **block})


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if "targets" in block and "defaults" not in block], ids=str
)
def test_the_other_examples_are_fields(block):
    assert fields_of({"inputs": "x", **block})
