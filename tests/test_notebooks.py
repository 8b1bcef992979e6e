"""The example notebooks, executed: they print the figures that are stored in them."""

import re

import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_prints_the_figures_that_are_stored_in_it(file, tmp_path):
    pytest.importorskip("nbclient", reason="notebooks are executed by the extra `notebook`")
    pytest.importorskip("ipykernel", reason="notebooks are executed by the extra `notebook`")
    import nbformat
    from website.notebooks import executed

    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    stored, printed = (said(cells) for cells in (nbformat.read(file, as_version=4).cells, executed(file, folder).cells))
    assert [NUMBER.sub("#", text) for text in printed] == [NUMBER.sub("#", text) for text in stored]
    for now, before in zip(printed, stored, strict=True):
        assert numbers(now) == pytest.approx(numbers(before), rel=0.1), "`make notebooks` renews what is stored"


def said(cells):
    """The text of each output; a picture says which figure it is."""
    outputs = (output for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    return [output.get("text") or output.data["text/plain"] for output in outputs]


def numbers(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]
