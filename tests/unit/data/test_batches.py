"""RandomSampler: every image once per epoch, whatever the batch size."""

from itertools import islice

import pytest
import torch
from hypothesis import given, strategies as st

from mlpcore.data.batches import RandomSampler


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(sampler: RandomSampler, batches: int) -> torch.Tensor:
    return torch.stack(list(islice(sampler, batches)))


@given(num_samples=st.integers(1, 40), data=st.data())
def test_every_image_comes_once_an_epoch_in_batches_of_one_size(num_samples, data):
    batch_size = data.draw(st.integers(1, num_samples))
    batches = draw(RandomSampler(num_samples, batch_size, generator=seeded()), 3 * num_samples)
    assert batches.shape == (3 * num_samples, batch_size)
    assert batches.dtype == torch.int64
    epochs = batches.view(3 * batch_size, num_samples)
    assert torch.equal(epochs.sort(dim=1).values, torch.arange(num_samples).expand_as(epochs))


def test_each_epoch_has_an_order_of_its_own():
    first, second = draw(RandomSampler(50, 50, generator=seeded()), 2)
    assert not torch.equal(first, second)


def test_a_batch_as_large_as_the_data_set_is_the_data_set():
    for batch in draw(RandomSampler(30, 30, generator=seeded()), 5):
        assert batch.sort().values.tolist() == list(range(30))


def test_a_batch_over_the_epochs_border_is_filled_from_the_next_epoch():
    indices = draw(RandomSampler(5, 3, generator=seeded(4)), 10).flatten()
    orders, generator = [], seeded(4)
    for _ in range(6):
        orders.append(torch.randperm(5, generator=generator))
    assert torch.equal(indices, torch.cat(orders))


def test_with_replacement_images_are_drawn_alike_and_repeat():
    batches = draw(RandomSampler(10, 10, replacement=True, generator=seeded()), 1000)
    counts = batches.flatten().bincount(minlength=10)
    assert counts.sum() == 10_000
    assert all(900 < count < 1100 for count in counts.tolist())
    assert any(len(batch.unique()) < 10 for batch in batches)


def test_same_seed_gives_the_same_batches_and_another_gives_others():
    first, again, other = (draw(RandomSampler(100, 7, generator=seeded(seed)), 30) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("generator", [None, seeded()])
@pytest.mark.parametrize("replacement", [False, True])
def test_no_draw_touches_torchs_global_state(generator, replacement):
    before = torch.get_rng_state()
    draw(RandomSampler(20, 6, replacement=replacement, generator=generator), 10)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_generator_manual_seed_repeats_the_batches():
    def draw_after(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return draw(RandomSampler(100, 7), 30)

    with torch.random.fork_rng(devices=[]):
        assert torch.equal(draw_after(3), draw_after(3))
        assert not torch.equal(draw_after(3), draw_after(4))


def test_iterating_again_goes_on_where_it_stopped():
    sampler = RandomSampler(6, 2, generator=seeded())
    indices = torch.cat([draw(sampler, 1), draw(sampler, 2)]).flatten()
    assert indices.sort().values.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "message"),
    [
        (0, 1, "num_samples is 0: it must be a whole number, at least 1"),
        (10, 0, "batch_size is 0: it must be a whole number from 1 to 10."),
        (10, -3, "batch_size is -3: it must be a whole number from 1 to 10."),
        (10, 11, "batch_size is 11: it must be a whole number from 1 to 10."),
        (10, 2.5, "batch_size is 2.5: it must be a whole number from 1 to 10."),
    ],
)
def test_sizes_out_of_range_are_refused_with_field_value_and_range(num_samples, batch_size, message):
    with pytest.raises(ValueError, match=message):
        RandomSampler(num_samples, batch_size)
