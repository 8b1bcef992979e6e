import pytest
import torch

from encore.data.loaders import Loader, Memory, Order, Resident, Streamed
from encore.data.normalize import Affine
from encore.data.sources import ArraySource

CPU = torch.device("cpu")
SOURCE = ArraySource(torch.arange(25.0).reshape(25, 1), torch.arange(25) % 5)
IDENTITY = Affine(torch.zeros(1), torch.ones(1))


def loader(gather, order, epoch=0, first=0):
    return Loader(gather, order, IDENTITY, CPU, Memory(), lambda: (epoch, first))


def batches(gather, order, epoch=0, first=0):
    return [(inputs.flatten().tolist(), targets.tolist()) for inputs, targets in loader(gather, order, epoch, first)]


def test_an_epoch_has_every_example_once_with_its_target():
    got = batches(Resident(SOURCE, CPU), Order(torch.arange(25), 4, seed=0))
    assert [len(inputs) for inputs, _ in got] == [4] * 6 + [1]
    assert sorted(value for inputs, _ in got for value in inputs) == list(range(25))
    assert all(target == value % 5 for inputs, targets in got for value, target in zip(inputs, targets, strict=True))


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    gather, order = Resident(SOURCE, CPU), Order(torch.arange(25), 4, seed=0)
    third = batches(gather, order, epoch=3)
    torch.manual_seed(5)
    batches(gather, order, epoch=1)
    assert third == batches(gather, order, epoch=3)
    assert third != batches(gather, order, epoch=4)
    assert third != batches(gather, Order(torch.arange(25), 4, seed=1), epoch=3)


def test_without_shuffling_the_order_is_the_data_s_own():
    assert batches(Resident(SOURCE, CPU), Order(torch.arange(25), 25))[0][0] == list(range(25))


def test_the_last_batch_can_be_dropped():
    order = Order(torch.arange(25), 4, drop_last=True)
    assert len(order) == 6 == len(batches(Resident(SOURCE, CPU), order))


def test_worker_processes_give_the_same_batches():
    order = Order(torch.arange(25), 4, seed=0)
    resident = batches(Resident(SOURCE, CPU), order, epoch=2)
    for workers in (0, 1, 2):
        assert batches(Streamed(SOURCE, workers, pin_memory=False), order, epoch=2) == resident


@pytest.mark.parametrize("gather", [Resident(SOURCE, CPU), Streamed(SOURCE, 1, pin_memory=False)])
def test_an_epoch_can_be_entered_at_any_batch(gather):
    order = Order(torch.arange(25), 4, seed=0)
    whole = batches(gather, order, epoch=2)
    for first in (0, 1, 6, 7):
        assert batches(gather, order, epoch=2, first=first) == whole[first:]


def test_streaming_draws_nothing_from_the_run_s_generator():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    batches(Streamed(SOURCE, 1, pin_memory=False), Order(torch.arange(25), 4, seed=0))
    assert torch.get_rng_state().equal(state)


def test_ranks_share_each_batch():
    whole = Order(torch.arange(25), 8, seed=0)
    indices = whole.of_epoch(0)
    ranks = [Order(torch.arange(25), 8, seed=0, rank=rank, world_size=3) for rank in range(3)]
    assert ranks[0].of_rank(indices, 4)[1] == []
    for first in range(4):
        of_each = [torch.split(*order.of_rank(indices, first)) for order in (whole, *ranks)]
        for batch, *parts in zip(*of_each, strict=True):
            assert sorted(torch.cat(parts).tolist()) == sorted(batch.tolist())
        assert of_each[0][0].equal(indices[8 * first : 8 * first + 8])


def test_pictures_stay_bytes_until_they_are_a_batch():
    source = ArraySource(torch.zeros(10, 1, 4, 4, dtype=torch.uint8), torch.zeros(10, dtype=torch.long))
    assert Resident(source, CPU).inputs.dtype == torch.uint8


@pytest.mark.parametrize("gather", [Resident(SOURCE, CPU), Streamed(SOURCE, 0, pin_memory=False)])
def test_a_batch_that_is_kept_stays_as_it_is(gather):
    kept = [(inputs, inputs.clone()) for inputs, _ in loader(gather, Order(torch.arange(25), 4, seed=0))]
    assert all(inputs.equal(as_given) for inputs, as_given in kept)


def test_memory_is_taken_again_once_nothing_refers_to_it():
    memory = Memory()
    first = memory((3, 4))
    view, place = first.view(-1)[2:], first.data_ptr()
    del first
    second = memory((3, 4))
    assert second.data_ptr() != place  # the view is there still
    del view
    assert memory((2, 2)).data_ptr() == place
    assert second.data_ptr() != memory((3, 4)).data_ptr() == place


def test_memory_that_autograd_needs_is_not_taken_again():
    memory = Memory()
    inputs, weight = memory((2, 3)).fill_(5), torch.ones(3, 1, requires_grad=True)
    loss = (inputs @ weight).sum()
    del inputs
    memory((2, 3)).fill_(7)
    loss.backward()
    assert weight.grad.flatten().tolist() == [10, 10, 10]


def test_memory_that_is_too_small_is_let_go_of():
    memory = Memory()
    for size in (1, 10, 5, 100):
        memory((size,))
    assert [len(array) for array in memory.arrays[1:]] == [100]


def test_whoever_keeps_many_batches_keeps_them_alone():
    memory = Memory()
    kept = [memory((2,)).fill_(number) for number in range(10)]
    assert len(memory.arrays) <= 1 + Memory.kept
    assert [tensor[0].item() for tensor in kept] == list(range(10))
    assert memory((0, 3)).shape == (0, 3)
    assert [tensor[0].item() for tensor in kept] == list(range(10))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_rank_may_have_nothing_of_a_batch(workers):
    order = Order(torch.arange(9), 8, rank=2, world_size=3)
    for gather in (Resident(SOURCE, CPU), Streamed(SOURCE, workers, pin_memory=False)):
        assert [len(inputs) for inputs, _ in batches(gather, order)] == [2, 0]
