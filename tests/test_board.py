"""TensorBoard, as `make board` opens it, in a browser: what each tab really shows of a run."""

import asyncio
import json
import urllib.request
from pathlib import Path

import pytest
from browser.devtools import chromium, page
from browser.tensorboard import tensorboard

PATIENT = 180  # seconds


def make_board() -> str:
    """The command of `make board`."""
    makefile = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    return makefile.partition("\nboard:")[2].splitlines()[1].strip()


def of_plugin(address: str, path: str) -> dict:
    with urllib.request.urlopen(f"{address}data/plugin/{path}", timeout=PATIENT) as answer:
        found: dict = json.load(answer)
    return found


async def tabs(address: str) -> dict[str, str]:
    """What each tab shows, when it shows what it must."""
    found = {}
    async with page() as opened:
        for tab, words in {
            "timeseries": ["gap", "mistakes", "net", "optim", "test", "train", "updates", "val"],
            "scalars": ["gap/accuracy", "gap/loss"],
            "custom_scalars": ["Training against validation", "accuracy", "loss", "Matches ("],
            "images": ["mistakes/confusion", "mistakes/least_certain", "mistakes/most_confidently_wrong"],
            "histograms": ["net/activations/layers.0", "net/gradients/layers.0.weight", "net/weights/layers.2.weight"],
            "pr_curves": [f"precision_recall/{digit}" for digit in range(10)],
            "text": ["mostly taken for", "test examples", "seed: 0"],
            "projector": ["test examples", "200x32", "Label by"],
            "hparams": ["optim.lr", "test/accuracy"],
            "graphs": ["MLP", "input", "output"],
        }.items():
            await opened.visit(f"{address}?tab={tab}#{tab}")
            found[tab] = await opened.until(*words, seconds=PATIENT)
            if tab == "images":
                await opened.until_there("img[src*='individualImage']", 3, PATIENT)
            if tab == "custom_scalars":
                await opened.until_there("vz-line-chart2", 2, PATIENT)
    return found


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason="no Chromium: apt-get install chromium")
def test_every_tab_shows_what_it_is_for(run):
    folder = run({"augment": ["noise"], "trainer.max_epochs": 10, "callbacks.progress": None}).folder
    runs = folder.parents[1]
    assert make_board().endswith("tensorboard --logdir runs")
    with tensorboard(runs) as address:
        shown = asyncio.run(tabs(address))
        name = f"{folder.parent.name}/{folder.name}"
        pictures = {"mistakes/confusion", "mistakes/reliability", "net/first_layer", "train/augmentation"}
        assert pictures <= set(of_plugin(address, "images/tags")[name])
        assert of_plugin(address, "pr_curves/tags")[name].keys() == {f"precision_recall/{n}" for n in range(10)}
        assert of_plugin(address, "projector/runs") == [name]
    assert all(name in shown[tab] for tab in ("scalars", "images", "histograms", "text"))
    assert shown["scalars"].split("tag:")[1].split()[0] == "gap/accuracy"
    groups = shown["timeseries"].splitlines()
    assert groups.index("gap") < groups.index("mistakes") < groups.index("optim")
    assert not {"epoch", "progress/epoch"} & set(groups[: groups.index("optim")])
