"""The notes' claims: which runs test them, and that their rules decide either way, on made-up runs."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from mlpcore.analysis.claims.experiments import CLAIMS, Claim, decide
from mlpcore.analysis.claims.rules import Verdict
from mlpcore.analysis.claims.wording import describe_claim
from mlpcore.data.batches import DeviceImages
from mlpcore.recipes.recipe import SGD
from mlpcore.runs.records import RunStatus
from tests.support.claim_runs import CLAIM, accuracies, ended, evaluation, plan, run, said, tabulated
from tests.support.managers import train_alone

SUPPORTED, REFUTED, UNDECIDED = Verdict


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.key for claim in CLAIMS])
class TestEvery:
    @pytest.mark.parametrize("images", [1, 80, 50_000])
    def test_plan_fits_a_data_set_of_any_size_and_is_the_same_each_time(self, claim: Claim, images: int) -> None:
        recipes = claim.plan(["Tiny", "Shapes"], images)
        assert recipes == claim.plan(["Tiny", "Shapes"], images)
        assert recipes[0].dataset == "Tiny"
        if claim.key not in ("rates", "weight_decay", "adam_not_always"):  # those take batches of 64 as they are
            assert all(recipe.batch_size <= (recipe.train_size or images) for recipe in recipes)

    def test_runs_of_one_seed_differ_in_one_thing(self, claim: Claim) -> None:
        recipes = claim.plan(["Shapes"], 50_000)
        first = recipes[0].model_dump()
        differing = {name for one in recipes for name, value in one.model_dump().items() if value != first[name]}
        assert len(differing - {"seed"}) == 1

    @pytest.mark.parametrize("status", [RunStatus.STOPPED, RunStatus.FAILED, RunStatus.INTERRUPTED])
    def test_run_that_did_not_get_to_its_end_decides_nothing(self, claim: Claim, status: RunStatus) -> None:
        recipes = claim.plan(["Shapes"], 50_000)
        runs = [run(recipe, evaluation(recipe.train_iter)) for recipe in recipes]
        result = decide(claim, [replace(runs[0], status=status, evaluations=()), *runs[1:]], test_images=10_000)
        assert result.verdict is UNDECIDED
        assert said(result) == [f"1 of the {len(runs)} runs did not finish, so nothing is decided."]

    def test_sentences_have_a_value_for_every_place(self, claim: Claim) -> None:
        runs = [
            run(recipe, *(evaluation(step) for step in range(0, recipe.train_iter + 1, recipe.eval_every) if step))
            for recipe in claim.plan(["Shapes", "Tiny"], 50_000)
        ]
        for sentence in (
            *map(str, describe_claim(claim, test_images=10_000)),
            *said(decide(claim, runs, test_images=10_000)),
        ):
            assert sentence[0].isupper()
            assert sentence.endswith(".")


def test_only_runs_at_many_rates_may_diverge_and_are_drawn_over_them() -> None:
    assert [(claim.key, claim.by_rate) for claim in CLAIMS if claim.may_diverge or claim.by_rate] == [("rates", True)]
    assert CLAIM["rates"].may_diverge


FALLING, OVERSHOOTING = [3.0, 2.0, 1.0, 0.5], [3.0, 9.0, 2.0, 12.0]


def off(wholes: Sequence[float], share: float) -> list[float]:
    """Losses of batches: each is off that of all images, at the weights of the evaluation before, by a share."""
    return [3.3, *(whole * (1 + share * sign) for whole, sign in zip(wholes, (1, -1, 1), strict=False))]


@pytest.mark.parametrize("wholes", [FALLING, OVERSHOOTING], ids=["falling", "overshooting"])
@pytest.mark.parametrize(
    ("full", "mini", "verdict"),
    [
        (0.0, 0.05, SUPPORTED),
        (1e-6, 0.05, SUPPORTED),  # float32 rounds
        (0.02, 0.05, REFUTED),
        (0.0, 0.005, UNDECIDED),  # no noise to be without
    ],
)
def test_full_batch_is_without_noise_if_its_loss_is_that_of_all_images_whether_it_falls_or_not(
    wholes: list[float], full: float, mini: float, verdict: Verdict
) -> None:
    recipes = [recipe.model_copy(update={"train_iter": 4}) for recipe in plan("full_batch")]
    runs = [
        run(
            recipe,
            *(
                evaluation(step, loss=loss, whole=whole)
                for step, (loss, whole) in enumerate(zip(off(wholes, share), wholes, strict=True), 1)
            ),
        )
        for recipe, share in zip(recipes, (full, mini), strict=True)
    ]
    result = decide(CLAIM["full_batch"], runs, test_images=10_000)
    assert result.verdict is verdict
    if verdict is REFUTED:
        assert tabulated(result) == ["500 | 2.0000%", "50 | 5.0%"]
        assert said(result)[0].endswith("root mean square over 3 steps.")


@pytest.mark.parametrize("lr", [1e-3, 3.0], ids=["falling", "overshooting"])
def test_real_full_batch_is_without_noise_and_a_real_mini_batch_is_not(lr: float, images: DeviceImages) -> None:
    optimizer = SGD(lr=lr, momentum=0.0, weight_decay=0.0, nesterov=False)
    knobs = {"train_size": 40, "train_iter": 12, "hidden_sizes": (16,), "optimizer": optimizer, "dataset": "stripes"}
    full = plan("full_batch")[0].model_copy(update=knobs | {"batch_size": 40})
    runs = [run(recipe, *train_alone(recipe, images)) for recipe in (full, full.model_copy(update={"batch_size": 4}))]
    losses = [one.train_loss for one in runs[0].evaluations]
    assert any(later > earlier for earlier, later in pairwise(losses)) == (lr == 3.0)
    assert decide(CLAIM["full_batch"], runs, test_images=10_000).verdict is SUPPORTED
    assert decide(CLAIM["full_batch"], runs[::-1], test_images=10_000).verdict is REFUTED


@pytest.mark.parametrize(
    ("sizes", "verdict"),
    [
        ([12, 11, 9, 4], SUPPORTED),
        ([12, 13, 9, 4], REFUTED),
        ([12, 11.95, 9, 4], UNDECIDED),
        ([12, 12, 12, 12], UNDECIDED),
    ],
)
def test_weights_are_kept_small_if_each_decay_shrinks_them(sizes: list[float], verdict: Verdict) -> None:
    result = ended("weight_decay", [{"weights": size} for size in sizes])
    assert result.verdict is verdict
    if verdict is SUPPORTED:
        ends = ["0 | 12.0 | 50.0%", "5e-4 | 11.0 | 50.0%", "0.005 | 9.0 | 50.0%", "0.05 | 4.0 | 50.0%"]
        assert tabulated(result) == ends


NARROW = [0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.4, 0.3, 0.1]  # one good rate
WIDE = [0.1, 0.1, 0.36, 0.37, 0.4, 0.38, 0.1, 0.1, 0.1]  # four of them
AT_THE_END = [0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("sgd", "adam", "verdict"),
    [
        (NARROW, WIDE, SUPPORTED),
        (WIDE, NARROW, REFUTED),
        (WIDE, WIDE, UNDECIDED),
        (AT_THE_END, WIDE, UNDECIDED),  # its good rates go on below the grid, who knows how far
        (NARROW, [0.4, 0.4, 0.4, *AT_THE_END[3:]], SUPPORTED),
    ],
)
def test_adam_is_less_sensitive_if_more_of_its_rates_are_good(sgd: list, adam: list, verdict: Verdict) -> None:
    result = ended("rates", accuracies(*sgd, *adam))
    assert result.verdict is verdict
    if (sgd, adam) == (NARROW, WIDE):
        assert tabulated(result) == ["SGD | 40.0% | 1 of 9: 0.1", "Adam | 40.0% | 4 of 9: 0.001, 0.003, 0.01, 0.03"]
        assert said(result) == ["A rate is good within 5 percentage points of its optimizer's best."]


def test_rate_at_which_a_run_diverged_is_not_a_good_one() -> None:
    ends = [evaluation(500, test_acc=value) for value in [*NARROW, *WIDE]]
    runs = [run(recipe, end) for recipe, end in zip(plan("rates"), ends, strict=True)]
    for place in (11, 12, 13, 14):  # all of Adam's good ones
        runs[place] = replace(runs[place], status=RunStatus.DIVERGED)
    runs[9] = replace(runs[9], status=RunStatus.DIVERGED, evaluations=())
    result = decide(CLAIM["rates"], runs, test_images=10_000)
    assert result.verdict is UNDECIDED
    assert result.measurements[0].numbers["adam_best"] == 0.1


AHEAD = [0.52, 0.53, 0.515, 0.525, 0.53, 0.52]  # of EVEN, by 2.3 ± 0.6 points
EVEN = [0.5] * 6
BARELY = [0.504, 0.505, 0.503, 0.505, 0.504, 0.505]  # of EVEN, surely, and by half a point
ALL_BY_LUCK = [0.51, 0.502, 0.58, 0.501, 0.505, 0.503]  # of EVEN in each seed, and one of them is most of it
WEAKLY = [0.53, 0.49, 0.53, 0.53, 0.50, 0.51]  # of EVEN, by 1.5 ± 1.8 points: p = 0.09


@pytest.mark.parametrize(
    ("here", "there", "verdict"),
    [
        (AHEAD + EVEN, None, SUPPORTED),
        (EVEN + AHEAD, None, UNDECIDED),  # one data set cannot refute it
        (EVEN + AHEAD, AHEAD + EVEN, SUPPORTED),
        (EVEN + AHEAD, EVEN + AHEAD, REFUTED),
        (EVEN + AHEAD, EVEN + WEAKLY, UNDECIDED),
        (BARELY + EVEN, BARELY + EVEN, UNDECIDED),
        (ALL_BY_LUCK + EVEN, ALL_BY_LUCK + EVEN, UNDECIDED),
        (EVEN + EVEN, EVEN + EVEN, UNDECIDED),
    ],
)
def test_adam_is_not_always_better_if_sgd_is_ahead_somewhere_by_more_than_its_seeds_vary(here, there, verdict) -> None:
    datasets = ("Shapes",) if there is None else ("Shapes", "Tiny")
    result = ended("adam_not_always", accuracies(*here, *(there or ())), *datasets)
    assert result.verdict is verdict
    needs_another = any("Images page" in sentence for sentence in said(result))
    assert needs_another == (there is None and verdict is UNDECIDED)
    if verdict is SUPPORTED and there is None:
        p = stats.ttest_rel(AHEAD, EVEN).pvalue
        assert tabulated(result) == [f"Shapes | 52.3% | 50.0% | +2.3 ± 0.6 | {p:.2g}"]
        assert said(result) == ["Test accuracy at the end, means of 6 seeds."]


def test_two_data_sets_share_the_chance_of_an_accident() -> None:
    close = [0.524, 0.516, 0.499, 0.530, 0.506, 0.512]
    p = stats.ttest_rel(close, EVEN).pvalue
    assert 0.025 < p < 0.05
    assert ended("adam_not_always", accuracies(*close, *EVEN), "Shapes").verdict is SUPPORTED
    assert ended("adam_not_always", accuracies(*close, *EVEN, *EVEN, *EVEN), "Shapes", "Tiny").verdict is UNDECIDED


def test_of_equal_optimizers_hardly_any_pair_of_data_sets_is_said_to_tell_them_apart() -> None:
    rng = np.random.default_rng(0)
    draws = (accuracies(*rng.normal(0.5, 0.02, 24)) for _ in range(400))
    results = [ended("adam_not_always", draw, "Shapes", "Tiny").verdict for draw in draws]
    assert results.count(SUPPORTED) < 0.05 * len(results)  # SGD ahead in every one of three seeds: 23 %
    assert results.count(REFUTED) < 0.05 * len(results)


@pytest.mark.parametrize(
    ("after", "lowered", "verdict"),
    [
        (2.0, [1.5, 1.4, 1.5, 1.6, 1.5, 1.4], SUPPORTED),
        (2.0, [2.5, 2.4, 2.5, 2.6, 2.5, 2.4], REFUTED),
        (2.0, [1.5, 1.5, 2.5, 1.5, 2.5, 1.9], UNDECIDED),
        (2.0, [1.99, 1.98, 1.99, 1.97, 1.99, 1.99], UNDECIDED),  # surely lower, and by next to nothing
        (
            2.0,
            [1.99, 1.99, 0.5, 1.98, 1.99, 1.99],
            UNDECIDED,
        ),  # lower in each seed, and one of them is most of it
        (1.5, [1.0, 1.1, 1.0, 1.2, 1.0, 1.1], UNDECIDED),  # the loss was falling still: no plateau
    ],
)
def test_lower_rate_helps_at_a_plateau_if_the_loss_ends_lower_by_more_than_its_seeds_vary(
    after, lowered, verdict
) -> None:
    recipes = plan("plateau")
    ends = [after] * 6 + lowered
    runs = [
        run(recipe, evaluation(400, loss=9.0), evaluation(800, loss=2.0), evaluation(1200, loss=end))
        for recipe, end in zip(recipes, ends, strict=True)
    ]
    result = decide(CLAIM["plateau"], runs, test_images=10_000)
    assert result.verdict is verdict
    assert tabulated(result)[:2] == ["400–800 | 2.000", f"800–1,200 | {after:.3f}"]
    p = stats.ttest_rel([after] * 6, lowered).pvalue
    assert said(result)[1] == f"At the end, means of 6 seeds; for the losses p = {p:.2g}."


@pytest.mark.parametrize(
    ("few", "whole", "verdict"),
    [
        ((0.01, 0.25), (1.3, 0.45), SUPPORTED),
        ((0.01, 0.45), (1.3, 0.25), REFUTED),
        ((0.01, 0.45), (1.3, 0.46), UNDECIDED),
        ((1.40, 0.25), (1.3, 0.45), UNDECIDED),  # nothing was memorised
    ],
)
def test_small_loss_is_not_good_accuracy_if_the_lower_loss_has_the_lower_one(few, whole, verdict) -> None:
    result = ended("memorising", [{"loss": loss, "test_acc": accuracy} for loss, accuracy in (few, whole)])
    assert result.verdict is verdict
    if verdict is SUPPORTED:
        assert tabulated(result) == ["1,000 | 0.010 | 25.0%", "50,000 | 1.300 | 45.0%"]


@pytest.mark.parametrize(
    ("test_images", "verdict"), [(10_000, SUPPORTED), (2_500, SUPPORTED), (1_000, UNDECIDED), (100, UNDECIDED)]
)
def test_margin_of_two_runs_follows_from_the_number_of_test_images(test_images: int, verdict: Verdict) -> None:
    ends = [evaluation(400, loss=0.01, test_acc=0.25), evaluation(400, loss=1.3, test_acc=0.29)]
    runs = [run(one, end) for one, end in zip(plan("memorising"), ends, strict=True)]
    assert decide(CLAIM["memorising"], runs, test_images=test_images).verdict is verdict


def test_rules_name_the_margins_of_so_many_test_images() -> None:
    said = {key: str(describe_claim(claim, test_images=100).rule) for key, claim in CLAIM.items()}
    assert "within 14.1 percentage points" in said["rates"]
    assert "ends at least 10 pp ahead" in said["adam_not_always"]
    assert "accuracy that is at least 14.1 percentage points lower" in said["memorising"]
    said = {key: str(describe_claim(claim, test_images=10_000).rule) for key, claim in CLAIM.items()}
    assert "within 5 percentage points" in said["rates"]
    assert "ends at least 1 pp ahead" in said["adam_not_always"]
    assert "accuracy that is at least 2 percentage points lower" in said["memorising"]


def test_significant_lead_within_the_sampling_error_of_few_test_images_decides_nothing() -> None:
    ends = accuracies(*AHEAD, *EVEN)
    runs = [run(one, evaluation(600, **end)) for one, end in zip(plan("adam_not_always"), ends, strict=True)]
    assert decide(CLAIM["adam_not_always"], runs, test_images=10_000).verdict is SUPPORTED
    assert decide(CLAIM["adam_not_always"], runs, test_images=1_000).verdict is UNDECIDED
