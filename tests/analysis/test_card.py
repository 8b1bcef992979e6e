"""`encore card`: what a run's cards say, and that Hugging Face's own library reads them."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

import encore
from encore.analysis.card import plain
from encore.commands import card
from encore.record import seal


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
    assert "result.json: not a run's folder; encore runs lists the runs" in err
    assert not (tmp_path / "card").exists()


def test_a_card_that_was_edited_is_kept(cards, folder, typed, tmp_path):
    file = tmp_path / "card" / "model" / "README.md"
    typed(card.main, folder, "--out", tmp_path / "card")
    assert [path.name for path in file.parent.iterdir()] == ["README.md"]
    for edited in ("my words", "other words"):
        file.write_text(edited)
        assert typed(card.main, folder, "--out", tmp_path / "card")[0] == 0
        assert file.read_text() == cards["model"]
    kept = {path.name: path.read_text() for path in file.parent.iterdir() if path != file}
    assert kept == {"README.before.md": "my words", "README.before.md.2": "other words"}


def test_a_run_that_was_killed_is_told_from_one_that_runs(folder, typed, tmp_path):
    killed = tmp_path / "killed"
    shutil.copytree(folder, killed)
    (killed / seal.FILE).unlink()
    for name in ("result.json", "manifest.json"):
        content = json.loads((killed / name).read_text())
        (killed / name).write_text(json.dumps({**content, "status": "running", "metrics": {}, "weights_sha256": None}))
    assert "killed was killed while it ran (the same command continues it), not finished" in typed(card.main, killed)[2]
    program = (
        "import sys, pathlib; from encore.record.lock import held\n"
        "with held(pathlib.Path(sys.argv[1])): print(flush=True); input()"
    )
    words = [sys.executable, "-c", program, str(killed)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert "killed is running, not finished" in typed(card.main, killed)[2]
        process.communicate(b"\n")


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_where_nothing_can_be_written_it_is_said(folder, typed, tmp_path, out):
    (tmp_path / "file").write_text("mine")
    code, _, err = typed(card.main, folder, "--out", tmp_path / out)
    assert (code, (tmp_path / "file").read_text()) == (74, "mine")
    assert f"Not a directory: '{tmp_path / out / 'model'}'" in err


def test_a_stranger_s_text_stays_text():
    assert plain("a | <b>`c`\n[d](e)") == r"a \| \<b\>\`c\` [d]\(e)"
