"""`scripts/writers.py`: sets of digits by writers whom no run has seen, compared by runs and by hand-made features."""

import csv
import functools

import numpy as np
import pytest
from google.protobuf import text_format
from made_writers import SETTINGS, hands, made
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import encore
from course.writers import command, verification
from course.writers.pairs import Pairs
from encore.errors import InputError

WORDS = {**SETTINGS, "experiment": "writers_verify", "model.channels": [4], "data.batch_size": 16, "model.width": 4}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A short run by each of the two losses, on digits of ten writers; six others are for the test."""
    place = tmp_path_factory.mktemp("writers")
    words = {**WORDS, "data_dir": str(made(place / "data")), "runs_dir": str(place / "runs"), "data.order.each": 4}
    for loss in ("triplet", "classification"):
        encore.run({**words, "task.trained_by": loss, "trainer.max_epochs": 1})
    return place / "runs"


@pytest.fixture
def go(typed):
    return functools.partial(typed, command.main)


def test_a_table_pictures_and_the_projector_s_files_are_written(go, runs, tmp_path):
    out, projector = tmp_path / "out", tmp_path / "projector"
    code, said, _ = go(runs, "--out", out, "--k", 1, 5, 40, "--draws", 20, "--projector", projector)
    assert code == 0
    assert "40: fewer than two writers have 80 digits" in said
    with (out / "writers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["digits"] for row in rows} == {"1, the same digit", "1", "5"}
    assert {row["method"] for row in rows} == {"triplet", "classification", "hand-made features"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    by_hand = {(row["digits"], row["figure"]): float(row["value"]) for row in rows if row["method"].startswith("hand")}
    assert by_hand["5", "auroc"] > 0.99  # these writers differ in nothing but slant and stroke width
    assert by_hand["5", "eer"] < 0.05
    assert sorted(file.name for file in out.glob("*.png")) == ["mistakes.png", "writers.png"]
    (embedding,) = text_format.Parse((projector / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    heading, *rows = (projector / embedding.metadata_path).read_text().splitlines()
    assert (heading, rows[0].split("\t")[0], len(rows)) == ("writer\tdigit", "2400", 6 * 24)
    points = np.loadtxt(projector / embedding.tensor_path, delimiter="\t")
    assert points.shape == (len(rows), 4)
    assert np.linalg.norm(points, axis=1) == pytest.approx(1, abs=1e-5)
    across, down = embedding.sprite.single_image_dim
    with Image.open(projector / embedding.sprite.image_path) as sprite:
        assert (across, down, sprite.width % across, sprite.height % down) == (28, 28, 0, 0)
        per_row = sprite.width // across
        assert per_row * (sprite.height // down) >= len(rows)  # in the order of the rows, from the left
        pictures, places = np.array(sprite.convert("L")), [0, 1, len(rows) - 1]
    shown = [pictures[one // per_row * 28 :, one % per_row * 28 :][:28, :28] for one in places]
    made_of = hands(np.repeat(np.arange(2400, 2406), 24))
    assert all(
        (255 - made_of[one] - picture.astype(int)).max() <= 1 for one, picture in zip(places, shown, strict=True)
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--k", "0"], 1, "--k 0: a set has at least 1 digit"),
        (["--draws", "1"], 1, "--draws 1: must be at least 2"),
        (["--k", "200"], 0, ""),  # pairs of one digit each are left
    ],
)
def test_what_is_typed_wrongly(go, runs, tmp_path, words, code, message):
    ended, _, complained = go(runs, "--out", tmp_path / "out", *words)
    assert ended == code
    assert message in complained


def test_a_run_that_embeds_no_writers_is_refused(go, run, tmp_path):
    other = run({"debug": "fast"})
    code, _, complained = go(other.folder, "--out", tmp_path / "out")
    assert code == 3
    assert "is no run of task=verification on data=writers" in complained
    assert not (tmp_path / "out").exists()


def test_runs_with_other_test_digits_are_not_compared(tmp_path):
    made_of = [
        verification.Embedded(
            tmp_path, "triplet", *[np.zeros((4, 2))] * 2, np.full((4, 2, 2), shade), *[np.arange(4)] * 3
        )
        for shade in (0, 1)
    ]
    with pytest.raises(InputError, match="the runs have other test digits"):
        verification.compare(made_of, [1], 10, [])


def test_an_interval_is_wider_where_writers_are_fewer():
    generator = np.random.default_rng(0)

    def width(writers):
        both = np.repeat(np.arange(writers), 20)
        other = np.where(np.arange(len(both)) % 2, both, (both + 1) % writers)
        places = np.arange(2 * len(both)).reshape(2, -1, 1)
        pairs = Pairs(places[0], places[1], np.stack([both, other], 1), 0)
        embedded = generator.normal(size=(2 * len(both), 2)) + 2 * np.concatenate([both, other])[:, None]
        weights = np.concatenate([np.ones((1, len(both))), verification.resampled(pairs, 200)])
        (area, _) = verification.measured([embedded], pairs, weights)
        assert area.low < area.value < area.high
        return area.high - area.low

    assert width(10) > width(200)
