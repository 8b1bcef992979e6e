import numpy as np
import pytest
import torch

from encore.data.bootstrap import bootstrap, read_weights
from encore.errors import InputError

POOL = torch.arange(0, 3000, 3)


def test_a_draw_is_of_the_size_of_the_pool_with_replacement_and_can_be_had_again():
    drawn = bootstrap(POOL, 0, seed=0)
    assert drawn.equal(bootstrap(POOL, 0, seed=0))
    assert len(drawn) == len(POOL)
    assert set(drawn.tolist()) <= set(POOL.tolist())
    assert len(drawn.unique()) / len(POOL) == pytest.approx(1 - 1 / np.e, abs=0.03)


def test_another_number_and_another_seed_are_other_draws():
    draws = [bootstrap(POOL, number, seed) for number in range(3) for seed in range(2)]
    assert len({tuple(drawn.tolist()) for drawn in draws}) == 6


def test_the_draw_is_what_it_was_when_figures_were_published():
    assert bootstrap(POOL, 0, seed=0)[:5].tolist() == [3, 3, 3, 9, 9]


def test_examples_are_drawn_as_often_as_their_weights_say():
    weights = np.zeros(3000)
    weights[POOL.numpy()] = np.arange(1000) % 4  # a quarter has no weight at all
    counts = sum(bootstrap(POOL, number, 0, weights).bincount(minlength=3000) for number in range(100))[POOL]
    found = counts.reshape(250, 4).double().mean(0) / 100
    assert found[0] == 0
    assert found.tolist() == pytest.approx([0, 4 / 6, 8 / 6, 12 / 6], rel=0.04)


def test_weights_that_are_all_alike_draw_as_none_do():
    assert bootstrap(POOL, 2, 0, np.full(3000, 7.0)).equal(bootstrap(POOL, 2, 0))


def test_weights_of_other_examples_alone_are_refused():
    weights = np.ones(3000)
    weights[POOL.numpy()] = 0
    with pytest.raises(InputError, match="at least one must be above 0"):
        bootstrap(POOL, 0, 0, weights)


def with_value(value):
    weights = np.ones(10)
    weights[3] = value
    return weights


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (with_value(-1), "negative or not finite"),
        (with_value(np.nan), "negative or not finite"),
        (with_value(np.inf), "negative or not finite"),
        (np.full(10, 1e308), "negative or not finite"),
        (np.ones(9), r"has the shape \[9\], not \[10\]"),
        (np.ones((10, 1)), "has the shape"),
        (np.array(["a"] * 10), "not an array of numbers"),
        (np.array([None] * 10), "cannot be read"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_with_what_to_do(tmp_path, held, message):
    file = tmp_path / "weights.npy"
    np.save(file, held)
    with pytest.raises(InputError, match=message) as caught:
        read_weights(file, 10)
    assert "one number, at least 0, for each of the 10 examples" in str(caught.value)


def test_a_file_that_is_missing_or_broken_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_weights(tmp_path / "weights.npy", 10)
    (tmp_path / "weights.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "weights.npy", 10)


@pytest.fixture
def weights_file(tmp_path):
    file = tmp_path / "weights.npy"
    np.save(file, np.arange(1797) % 3)
    return file


def test_a_run_trains_on_its_draw_and_leaves_validation_and_test_alone(weights_file):
    from encore.config.compose import config_from
    from encore.data.module import DataModule

    def parts(**settings):
        module = DataModule(
            config_from({f"data.{k.replace('__', '.')}": v for k, v in settings.items()})["data"], "", 0
        )
        module.setup()
        return module

    whole, first, second = parts(), parts(bootstrap=0), parts(bootstrap=1)
    assert first.sizes == whole.sizes
    assert not first.split.train.equal(second.split.train)
    assert not set(first.split.train.tolist()) & {*first.split.val.tolist(), *first.split.test.tolist()}
    assert first.split.val.equal(whole.split.val)
    assert first.split.test.equal(whole.split.test)
    assert first.pool.equal(whole.split.train)
    weighted = parts(bootstrap=0, weights__path=str(weights_file))
    assert 0 not in (weighted.split.train % 3)
    of_fold = parts(bootstrap=0, folds=4, fold=2)
    assert set(of_fold.split.train.tolist()) <= set(of_fold.pool.tolist())
    assert of_fold.sizes == {"train": 1078, "val": 359, "test": 360}


def test_the_weights_and_not_their_name_are_part_of_the_fingerprint(weights_file, tmp_path):
    from encore.config.compose import config_from
    from encore.provenance.fingerprint import fingerprint

    def mark(file):
        return fingerprint(config_from({"data.bootstrap": 0, "data.weights.path": str(file)}))

    before = mark(weights_file)
    moved = weights_file.rename(tmp_path / "moved.npy")
    assert mark(moved) == before
    np.save(moved, np.ones(1797))
    assert mark(moved) != before


def test_a_run_says_what_it_drew_and_is_reproduced(run, reproduce, weights_file):
    settings = {"data.bootstrap": 3, "data.folds": 4, "data.fold": 1, "data.weights.path": str(weights_file)}
    folder = run({**settings, "trainer.max_epochs": 1}).folder
    assert "fold 1 of 4; bootstrap 3, " in (folder / "train.log").read_text()
    answer = reproduce(folder)
    assert answer.returncode == 0, answer.stdout
    np.save(weights_file, np.ones(1797))
    changed = reproduce(folder)
    assert changed.returncode == 3
    assert "weights.npy has changed" in changed.stdout


def test_weights_that_are_not_there_end_the_command_with_3(command, tmp_path):
    answer = command("train.py", "data.bootstrap=0", "data.weights.path=nothing.npy", "trainer=cpu")
    assert answer.returncode == 3
    assert "there is no file nothing.npy, by which data.bootstrap draws" in answer.stderr
    assert not list((tmp_path / "runs").rglob("result.json"))
