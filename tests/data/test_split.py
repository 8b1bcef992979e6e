import pytest
import torch

from encore.data.split import stratified
from encore.errors import ConfigError

TARGETS = torch.arange(1000) % 10


def split(targets=TARGETS, val=0.1, test=0.2, fraction=1.0, seed=0, **folds):
    return stratified(targets, val=val, test=test, fraction=fraction, seed=seed, **folds)


def test_parts_are_disjoint_and_make_up_the_whole():
    parts = split()
    together = torch.cat([parts.train, parts.val, parts.test])
    assert together.sort().values.equal(torch.arange(1000))
    assert [len(parts.train), len(parts.val), len(parts.test)] == [700, 100, 200]


def test_every_class_has_its_share_in_every_part():
    parts = split()
    for part, share in ((parts.train, 70), (parts.val, 10), (parts.test, 20)):
        assert TARGETS[part].bincount(minlength=10).tolist() == [share] * 10


def test_classes_of_uneven_size_keep_their_proportions():
    targets = torch.cat([torch.zeros(900), torch.ones(97), torch.full((3,), 2.0)]).long()
    parts = split(targets)
    assert targets[parts.val].bincount(minlength=3)[:2].tolist() == pytest.approx([90, 9.7], abs=1)
    assert abs(len(parts.val) - 100) <= 2


def test_many_small_classes_still_give_the_size_asked_for():
    targets = torch.arange(500) % 100  # five of each: a tenth is half an example of each class
    assert abs(len(split(targets, test=0.0).val) - 50) <= 1


def test_the_seed_alone_decides():
    torch.manual_seed(1)
    first = split()
    torch.manual_seed(2)
    assert first.train.equal(split().train)
    assert not first.train.equal(split(seed=1).train)


def test_the_split_is_what_it_was_when_figures_were_published():
    assert split().val[:5].tolist() == [2, 12, 15, 19, 32]


def test_a_smaller_fraction_is_a_subset_and_leaves_validation_and_test_alone():
    whole, half, tenth = split(), split(fraction=0.5), split(fraction=0.1)
    assert set(tenth.train.tolist()) < set(half.train.tolist()) < set(whole.train.tolist())
    assert len(tenth.train) == 70
    assert half.val.equal(whole.val)
    assert half.test.equal(whole.test)


def test_a_part_that_would_be_empty_is_refused():
    with pytest.raises(ConfigError, match="val split of 20 examples is empty"):
        split(TARGETS[:20], val=0.01)


@pytest.mark.parametrize("test", [0.0, 0.2, 1 / 3])
@pytest.mark.parametrize(("n", "folds"), [(1000, 5), (1797, 7), (60, 40), (11, 2)])
def test_folds_make_up_all_that_is_not_for_test(n, folds, test):
    targets = torch.arange(n) % 10
    parts = [split(targets, test=test, folds=folds, fold=fold) for fold in range(folds)]
    whole = torch.arange(n)
    for part in parts:
        assert part.test.equal(split(targets, test=test, val=0.0).test)
        assert torch.cat([part.train, part.val, part.test]).sort().values.equal(whole)
    assert torch.cat([parts[0].test, *(part.val for part in parts)]).sort().values.equal(whole)
    sizes = [len(part.val) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_every_class_has_its_share_in_every_fold():
    for fold in range(4):
        assert TARGETS[split(folds=4, fold=fold).val].bincount(minlength=10).tolist() == [20] * 10


def test_a_fold_counts_instead_of_the_validation_fraction():
    assert split(val=0.5, folds=5, fold=1).val.equal(split(val=0.0, folds=5, fold=1).val)


def test_a_smaller_fraction_of_a_fold_is_a_subset_and_leaves_its_validation_alone():
    whole, half = split(folds=5, fold=3), split(folds=5, fold=3, fraction=0.5)
    assert set(half.train.tolist()) < set(whole.train.tolist())
    assert (len(whole.train), len(half.train)) == (640, 320)
    assert TARGETS[half.train].bincount(minlength=10).tolist() == [32] * 10
    assert half.val.equal(whole.val)


def test_more_folds_than_examples_are_refused():
    with pytest.raises(ConfigError, match="more than the 16 examples"):
        split(TARGETS[:20], folds=50, fold=3)
