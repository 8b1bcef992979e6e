"""`encore card`: what a run's cards say, and that Hugging Face's own library reads them."""

import json

import pytest
import yaml

import encore
from encore.analysis.card import plain
from encore.commands import card


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    words = {"trainer.max_epochs": 1, "threads": 1, "trainer.accelerator": "cpu", "logger": "csv", "optim.lr": 0.01}
    words["data.keep"] = {"9": 0.5}
    words["+data.classes"] = [f"digit {number}" for number in range(10)]
    return encore.run({**words, "runs_dir": str(tmp_path_factory.mktemp("runs"))}).folder


@pytest.fixture
def cards(folder, typed, tmp_path):
    code, _, err = typed(card.main, folder, "--out", tmp_path / "card")
    assert (code, err) == (0, "")
    return {name: (tmp_path / "card" / name / "README.md").read_text() for name in ("model", "dataset")}


def test_a_model_card_has_the_measured_figures_and_how_to_get_them_again(cards, folder):
    held = json.loads((folder / "result.json").read_text())
    head = yaml.safe_load(cards["model"].split("---")[1])
    (result,) = head["model-index"][0]["results"]
    measured = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert measured == {name.removeprefix("test/"): value for name, value in held["metrics"].items() if "test/" in name}
    assert head["pipeline_tag"] == "image-classification"
    for said in ("| optim.lr | 0.01 |", held["fingerprint"], held["weights_sha256"], "encore reproduce", "@software"):
        assert said in cards["model"]


def test_a_dataset_card_has_its_sizes_and_digests(cards, folder):
    held = json.loads((folder / "manifest.json").read_text())["data"]
    assert yaml.safe_load(cards["dataset"].split("---")[1])["size_categories"] == ["1K<n<10K"]
    for said in (
        "1,797 handwritten digits",
        f"| train | {held['sizes']['train']:,} |",
        "| keep | {'9': 0.5} |",
        "| classes | digit 0, digit 1, ",
        held["examples_sha256"],
    ):
        assert said in cards["dataset"]


def test_hugging_face_reads_them(cards):
    hub = pytest.importorskip("huggingface_hub")
    model = hub.ModelCard(cards["model"])
    assert {each.metric_type for each in model.data.eval_results} == {"loss", "accuracy"}
    assert hub.DatasetCard(cards["dataset"]).data.pretty_name == "digits"


def test_what_is_no_finished_run_has_no_card(folder, typed, tmp_path):
    code, _, err = typed(card.main, tmp_path, "--out", tmp_path / "card")
    assert code == 3
    assert "result.json" in err
    assert not (tmp_path / "card").exists()


def test_a_stranger_s_text_stays_text():
    assert plain("a | <b>`c`\n[d](e)") == r"a \| \<b\>\`c\` [d]\(e)"
