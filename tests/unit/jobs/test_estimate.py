"""What a job is estimated to need of memory, and into which parts a cohort is split."""

from mlpcore.data.catalog import ImageCounts
from mlpcore.jobs.estimate import Estimate, estimate_job, split_runs
from mlpcore.recipes.inputs import POINT
from mlpcore.recipes.points import Spiral
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from tests.support.managers import SHORT

CIFAR10 = ImageCounts(50_000, 10_000, 10)
LARGE = Recipe(hidden_sizes=(4096, 1700), optimizer=Adam(), batch_size=16)  # 19.6 million weights


def test_weights_gradients_and_the_state_of_the_optimizer_are_counted():
    weights = 3072 * 4096 + 4096 + 4096 * 1700 + 1700 + 1700 * 10 + 10
    assert weights == 19_568_918
    found = estimate_job([LARGE], CIFAR10).weights - estimate_job([LARGE, LARGE], CIFAR10).weights
    assert found == -4 * 4 * weights
    sgd = LARGE.replace(optimizer=SGD())
    assert estimate_job([sgd, sgd], CIFAR10).weights - estimate_job([sgd], CIFAR10).weights == 3 * 4 * weights


def test_all_that_a_run_of_the_lecture_needs():
    weights = 3072 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    # weights, gradients, momentum, and the weights before a step; temporaries of the optimizer's first layer
    optimizer = 4 * 4 * weights + 2 * 4 * 128 * 3072
    # for the job: products, five evaluation batches as bytes, to draw the training set; for its seed: two batches
    job, seed = 32_000_000 + 5 * 500 * 3072 + 48 * 50_000, 5 * 3072 * (64 + 500) + 24 * 50_000
    # activations, training set, predictions twice, a snapshot's units of the first layer, 15 evaluations
    run = 4 * 202 * 1500 + 24 * 50_000 + 2 * 10_000 * 3 * 4 + 13 * 24 * 3072 + 15 * 1200 + 8000
    assert estimate_job([Recipe(dataset="CIFAR10")], CIFAR10) == Estimate(optimizer, job + seed + run)


def test_maps_and_surfaces_of_points_are_counted():
    points, recipe = ImageCounts(300, 100, 3, POINT), Recipe(dataset="Spiral", points=Spiral(classes=3))
    job, seed = 32_000_000 + 5 * 500 * 2 + 48 * 300, 5 * 2 * (64 + 500) + 24 * 300
    run = 4 * 195 * 1500 + 24 * 300 + 2 * 100 * 3 * 4 + 13 * 24 * 16**2 + 33 * 3 * 64**2 + 15 * 1200 + 8000
    assert estimate_job([recipe], points).batches == job + seed + run


def test_an_average_of_the_weights_takes_as_much_as_they_and_once_more_while_it_is_tested():
    weights = 3072 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    plain, averaged = (estimate_job([Recipe(dataset="CIFAR10", average=kind)], CIFAR10) for kind in ("none", "EMA"))
    assert averaged.weights - plain.weights == 2 * 4 * weights


def test_a_batch_of_all_images_is_counted():
    small, large = (estimate_job([LARGE.replace(batch_size=size)], CIFAR10).batches for size in (64, 50_000))
    assert large - small > 49_936 * 3072 * 4


def test_runs_of_one_seed_share_their_batches():
    batch = 50_000 * 3072 * 5
    recipes = [SHORT.replace(dataset="CIFAR10", batch_size=50_000, seed=seed) for seed in (1, 1, 2)]
    one, same, other = (estimate_job(recipes[:count], CIFAR10).total for count in (1, 2, 3))
    assert same - one < batch / 2 < batch < other - same


def test_a_cohort_is_split_into_parts_that_fit():
    limit = 4e9
    counts = split_runs([LARGE] * 80, CIFAR10, most_bytes=limit, most_runs=80)
    assert sum(counts) == 80
    assert len(set(counts[:-1])) == 1
    assert estimate_job([LARGE] * counts[0], CIFAR10).total <= limit
    assert estimate_job([LARGE] * (counts[0] + 1), CIFAR10).total > limit


def test_a_cohort_has_at_most_so_many_runs():
    assert split_runs([SHORT] * 200, CIFAR10, most_bytes=1e12, most_runs=80) == [80, 80, 40]


def test_one_run_is_a_part_even_if_it_is_larger():
    assert split_runs([LARGE] * 3, CIFAR10, most_bytes=1.0, most_runs=80) == [1, 1, 1]


def test_estimates_add_up():
    assert (Estimate(1, 2) + Estimate(3, 4)).total == 10
