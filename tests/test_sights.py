"""What a run's network sees is what a plain loop's network sees, and is kept with the run."""

import copy
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from managing import ME, submit, wait_until
from torch import nn
from torch.nn import functional as F

from mlpcore.batches import DeviceImages, place_images
from mlpcore.cohort import Progress, train_cohort
from mlpcore.data import ImageSplit, channel_statistics
from mlpcore.library import ImageLibrary
from mlpcore.manager import RunManager
from mlpcore.models import build_model, normalise
from mlpcore.recipe import SGD, Adam, Constant, Recipe
from mlpcore.runs import Run, RunStatus
from mlpcore.sampler import RandomSampler
from mlpcore.seeds import build_generator
from mlpcore.seeing import draw_units, rank_classes
from mlpcore.sight_files import SightFiles
from mlpcore.sights import MAX_FRAMES, Frame, Sight, count_confusion, rank_class, rank_mistakes

CPU = torch.device("cpu")
BASE = Recipe(
    hidden_sizes=(32, 16),
    batch_size=32,
    train_iter=24,
    eval_every=8,
    dropout=0.0,
    optimizer=Adam(lr=0.01),
    scheduler=Constant(),
    device="cpu",
)


def recipe(**knobs: object) -> Recipe:
    return Recipe.model_validate(BASE.model_dump() | knobs)


@pytest.fixture(scope="module")
def images(tiny_images) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def train(recipes: Sequence[Recipe], images: DeviceImages) -> list[Progress]:
    return [item for item in train_cohort(recipes, images, device=CPU) if item.evaluations or item.over]


def sights_of(items: Sequence[Progress], position: int = 0) -> list[Sight]:
    """The sight of a run after each of its evaluations, as a manager keeps it."""
    found: list[Sight] = []
    for item in items:
        if position in item.sights:
            found.append(item.sights[position].after(found[-1] if found else None))
    return found


def train_plainly(recipe: Recipe, train: ImageSplit) -> dict[int, nn.Module]:
    """The loop of every tutorial; the network before training and at each evaluation, by step."""
    inputs = normalise(train.data, *channel_statistics(train))
    model = build_model(recipe, inputs[0].numel(), 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    sampler = RandomSampler(len(train), recipe.batch_size, generator=build_generator(recipe.seed, "batches"))
    found = {0: copy.deepcopy(model)}
    for step in range(1, recipe.train_iter + 1):
        index = next(sampler)
        optimizer.zero_grad()
        F.cross_entropy(model.train()(inputs[index]), train.targets[index]).backward()
        optimizer.step()
        if step % recipe.eval_every == 0:
            found[step] = copy.deepcopy(model).eval()
    return found


class TestPlainLoop:
    def test_the_likeliest_classes_are_the_top_three_of_the_plain_networks_softmax(self, images, tiny_images):
        models = train_plainly(BASE, tiny_images[0])
        inputs = normalise(tiny_images[1].data, *channel_statistics(tiny_images[0]))
        found = sights_of(train([BASE], images))
        assert [sight.step for sight in found] == [8, 16, 24]
        for sight in found:
            with torch.no_grad():
                top = torch.topk(torch.softmax(models[sight.step](inputs), dim=1), 3)
            assert sight.likeliest.tolist() == top.indices.tolist()
            np.testing.assert_allclose(sight.shares, top.values.numpy(), atol=5e-4)
            assert (sight.labels.tolist(), sight.classes) == (tiny_images[1].targets.tolist(), tuple("abcdefghij"))
            assert (sight.likeliest.dtype, sight.shares.dtype, sight.labels.dtype) == (np.uint8, np.float16, np.uint8)

    def test_the_frames_are_the_plain_networks_weights_before_training_and_at_each_evaluation(
        self, images, tiny_images
    ):
        models = train_plainly(BASE, tiny_images[0])
        (*_, last) = sights_of(train([BASE, recipe(seed=1)], images))
        assert [(frame.number, frame.step) for frame in last.frames] == [(0, 0), (1, 8), (2, 16), (3, 24)]
        for frame in last.frames:
            weights = models[frame.step].fc1.weight.detach()[:24].view(24, 3, 4, 4).numpy()
            expected = 128 + 127 * weights / np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
            assert frame.units.dtype == np.uint8
            np.testing.assert_allclose(frame.units, expected, atol=0.51)
        assert not np.array_equal(last.frames[0].units, last.frames[3].units)

    def test_grey_images_of_28_by_28_give_frames_of_their_own_size(self):
        generator = torch.Generator().manual_seed(0)
        data = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8, generator=generator)
        split = ImageSplit(data, torch.arange(40) % 2, ("even", "odd"))
        run = recipe(hidden_sizes=(5,), train_iter=2, eval_every=1)
        (*_, last) = sights_of(train([run], place_images(split, split, CPU)))
        assert [frame.units.shape for frame in last.frames] == [(5, 1, 28, 28)] * 3
        assert last.likeliest.shape == (40, 2)


class TestConfusion:
    def test_its_sum_is_the_test_set_and_its_trace_the_test_accuracy_of_every_evaluation_exactly(self, images):
        runs = [BASE, recipe(seed=1, eval_every=5), recipe(optimizer=SGD(lr=0.1)), recipe(hidden_sizes=(32, 16))]
        items = train(runs, images)
        assert sum(len(item.evaluations) for item in items) == 14
        for item in items:
            assert item.sights.keys() == item.evaluations.keys()
            for position, evaluation in item.evaluations.items():
                counts = count_confusion(item.sights[position])
                assert (counts.shape, counts.sum()) == ((10, 10), 40)
                assert counts.trace() / counts.sum() == evaluation.test_acc

    def test_of_equal_logits_the_first_comes_first_as_in_the_accuracy(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randint(3, (2, 200, 10), generator=generator).float()  # topk alone would take another of them
        logits[0, 0] = 5.0
        classes, shares = rank_classes(logits, logits.argmax(dim=2))
        assert classes[0, 0].tolist() == [0, 1, 2]
        assert classes[..., 0].tolist() == logits.argmax(dim=2).tolist()
        np.testing.assert_allclose(shares[0, 0], [0.1] * 3, atol=1e-4)

    def test_rows_are_true_classes_and_columns_what_the_network_said(self):
        counts = count_confusion(sight())
        assert counts.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]

    def test_the_most_confident_mistakes_come_first(self):
        assert rank_mistakes(sight()).tolist() == [3, 1]
        assert rank_class(sight(), 0).tolist() == [1, 0]
        assert rank_class(sight(), 2).tolist() == []


def sight(**values: object) -> Sight:
    """Four test images in three classes: the second and the fourth are mistakes."""
    return replace(
        Sight(
            step=8,
            classes=("a", "b", "c"),
            labels=np.array([0, 0, 1, 1], np.uint8),
            likeliest=np.array([[0, 1], [1, 0], [1, 2], [2, 1]], np.uint8),
            shares=np.array([[0.9, 0.1], [0.5, 0.25], [0.75, 0.25], [0.625, 0.25]], np.float16),
            frames=(frame(0), frame(1)),
        ),
        **values,
    )


def frame(number: int) -> Frame:
    return Frame(number, 8 * number, np.full((2, 3, 4, 4), number % 256, np.uint8))


def look_often(times: int) -> Sight:
    found = sight()
    for number in range(2, times + 1):
        found = sight(step=8 * number, frames=(frame(number),)).after(found)
    return found


class TestThinning:
    @pytest.mark.parametrize(
        ("times", "numbers"),
        [
            (1, [0, 1]),
            (11, [*range(12)]),
            (12, [0, 2, 4, 6, 8, 10, 12]),
            (13, [0, 2, 4, 6, 8, 10, 12, 13]),
            (22, [*range(0, 23, 2)]),
            (23, [0, 4, 8, 12, 16, 20, 23]),
            (1000, [0, 128, 256, 384, 512, 640, 768, 896, 1000]),
        ],
    )
    def test_frames_are_evenly_spaced_from_the_start_with_the_newest_last(self, times, numbers):
        frames = look_often(times).frames
        assert [frame.number for frame in frames] == numbers
        assert [frame.step for frame in frames] == [8 * number for number in numbers]
        assert [int(frame.units[0, 0, 0, 0]) for frame in frames] == [number % 256 for number in numbers]

    def test_there_are_never_more_frames_than_the_bound(self):
        assert max(len(look_often(times).frames) for times in range(1, 300)) == MAX_FRAMES

    def test_a_file_of_cifar_10_takes_at_most_a_megabyte(self, tmp_path):
        generator = np.random.default_rng(0)
        units = generator.integers(256, size=(24, 3, 32, 32), dtype=np.uint8)
        big = sight(
            labels=generator.integers(3, size=10_000, dtype=np.uint8),
            likeliest=generator.integers(3, size=(10_000, 3), dtype=np.uint8),
            shares=generator.random((10_000, 3)).astype(np.float16),
            frames=tuple(Frame(number, number, units) for number in range(MAX_FRAMES)),
        )
        SightFiles(tmp_path).write("a", big)
        assert 900_000 < (tmp_path / "a.npz").stat().st_size < 1_000_000

    def test_a_unit_whose_weights_are_all_zero_is_grey(self):
        weights = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.5, -1.0, 0.0, 1.0]])
        assert draw_units(weights, torch.Size((1, 2, 2))).reshape(2, 4).tolist() == [[128] * 4, [192, 1, 128, 255]]


def assert_same(found: Sight | None, expected: Sight) -> None:
    assert found is not None
    assert (found.step, found.classes) == (expected.step, expected.classes)
    for name in ("labels", "likeliest", "shares"):
        assert getattr(found, name).dtype == getattr(expected, name).dtype
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert [(one.number, one.step) for one in found.frames] == [(one.number, one.step) for one in expected.frames]
    for one, other in zip(found.frames, expected.frames, strict=True):
        np.testing.assert_array_equal(one.units, other.units)


def as_file(**arrays: object) -> bytes:
    """A file as it is written, with other arrays in it."""
    kept = {"step": 8, "classes": np.array(["a", "b"]), "labels": np.zeros(3, np.uint8)}
    kept |= {"likeliest": np.zeros((3, 2), np.uint8), "shares": np.zeros((3, 2), np.float16)}
    kept |= {"numbers": [0], "steps": [0], "frames": np.zeros((1, 2, 3, 4, 4), np.uint8)}
    stream = io.BytesIO()
    np.savez(stream, **kept | arrays)
    return stream.getvalue()


class TestFiles:
    @pytest.fixture
    def files(self, tmp_path) -> SightFiles:
        return SightFiles(tmp_path / "sights")

    def test_a_sight_comes_back_as_it_was_written_and_the_newer_replaces_the_older(self, files, tmp_path):
        files.write("a", sight())
        assert_same(files.read("a"), sight())
        files.write("a", look_often(5))
        assert_same(files.read("a"), look_often(5))
        assert [file.name for file in (tmp_path / "sights").iterdir()] == ["a.npz"]

    def test_of_a_run_without_a_file_nothing_is_kept(self, files):
        assert (files.read("a"), files.mark("a")) == (None, None)
        files.delete("a")

    def test_a_deleted_sight_is_gone(self, files):
        files.write("a", sight())
        assert files.mark("a") is not None
        files.delete("a")
        assert (files.read("a"), files.mark("a")) == (None, None)

    @pytest.mark.parametrize("run_id", ["", "..", "../a", "a/b", "a\\b", "a.b", "a\n", "a\0", "é", "x" * 65])
    def test_an_id_that_is_no_file_name_is_refused(self, run_id, files, tmp_path):
        with pytest.raises(ValueError, match=r"^run_id is "):
            files.write(run_id, sight())
        assert (files.read(run_id), files.mark(run_id)) == (None, None)
        files.delete(run_id)
        assert list(tmp_path.iterdir()) == []

    def test_a_truncated_file_is_as_good_as_none(self, files, tmp_path):
        files.write("a", sight())
        file = tmp_path / "sights" / "a.npz"
        whole = file.read_bytes()
        for length in range(0, len(whole), 7):
            file.write_bytes(whole[:length])
            assert files.read("a") is None, length

    def test_a_file_with_a_changed_byte_never_comes_back_as_another_sight(self, files, tmp_path):
        files.write("a", sight())
        file = tmp_path / "sights" / "a.npz"
        whole = file.read_bytes()
        for place in range(0, len(whole), 11):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            found = files.read("a")
            if found is not None:
                assert_same(found, sight())

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"words",
            as_file(step="words"),
            as_file(labels=np.full(3, 2, np.uint8)),
            as_file(labels=np.zeros(3, np.float32)),
            as_file(labels=np.zeros(4, np.uint8)),
            as_file(likeliest=np.full((3, 2), 2, np.uint8)),
            as_file(likeliest=np.zeros(3, np.uint8)),
            as_file(shares=np.zeros((3, 2), np.float64)),
            as_file(frames=np.zeros((0, 2, 3, 4, 4), np.uint8), numbers=[], steps=[]),
            as_file(frames=np.zeros((1, 2, 48), np.uint8)),
            as_file(frames=np.zeros((2, 2, 3, 4, 4), np.uint8)),
            as_file(classes=np.array([{"a": 1}], object)),
        ],
    )
    def test_a_file_that_is_not_ours_is_as_good_as_none(self, content, files, tmp_path):
        (tmp_path / "sights").mkdir()
        (tmp_path / "sights" / "a.npz").write_bytes(as_file())
        assert files.read("a") is not None
        (tmp_path / "sights" / "a.npz").write_bytes(content)
        assert files.read("a") is None


class TestManager:
    LONG = recipe(dataset="Tiny", train_iter=200_000, eval_every=50)

    @pytest.fixture
    def library(self, data) -> ImageLibrary:
        return ImageLibrary(lambda: data)

    def wait_for_end(self, manager: RunManager, run_id: str) -> Run:
        wait_until(lambda: manager.store.get(run_id).status.is_over)
        wait_until(lambda: run_id not in [run.id for run in manager.list_active()])
        return manager.store.get(run_id)

    def test_the_sight_of_a_finished_run_is_that_of_its_last_evaluation_also_after_a_restart(self, manager, tmp_path):
        run_ids = submit(manager, recipe(dataset="Tiny"), recipe(dataset="Tiny", seed=1))
        for run_id in run_ids:
            run = self.wait_for_end(manager, run_id)
            assert run.status is RunStatus.FINISHED
            found = SightFiles(tmp_path / "sights").read(run_id)
            counts = count_confusion(found)
            assert (found.step, found.classes) == (24, ("dark", "light"))
            assert (counts.sum(), counts.trace() / counts.sum()) == (10, run.latest.test_acc)
            assert [frame.step for frame in found.frames] == [0, 8, 16, 24]

    def test_while_a_run_goes_on_its_sight_is_in_memory_and_when_stopped_on_disk(self, manager, store):
        (run_id,) = submit(manager, self.LONG)
        wait_until(lambda: manager.get_sight(run_id) is not None)
        seen = manager.get_sight(run_id)
        manager.stop(run_id, owner=ME)
        run = self.wait_for_end(manager, run_id)
        found = store.sights.read(run_id)
        assert run.status is RunStatus.STOPPED
        assert seen.step <= found.step == run.latest.step
        wait_until(lambda: manager.get_sight(run_id) is None)

    def test_a_server_that_is_shut_down_keeps_the_sights(self, store, library):
        manager = RunManager(store, library)
        (run_id,) = submit(manager, self.LONG)
        wait_until(lambda: manager.get_sight(run_id) is not None)
        manager.shutdown()
        assert store.sights.read(run_id).step == store.get(run_id).latest.step

    def test_the_sight_is_on_disk_while_the_run_goes_on(self, manager, store):
        (run_id,) = submit(manager, self.LONG)
        wait_until(lambda: store.sights.read(run_id) is not None)
        assert not store.get(run_id).status.is_over

    def test_deleting_a_run_deletes_its_sight(self, manager, store, tmp_path):
        kept, deleted = submit(manager, recipe(dataset="Tiny"), recipe(dataset="Tiny", seed=1))
        for run_id in (kept, deleted):
            self.wait_for_end(manager, run_id)
        store.delete(deleted)
        assert [file.stem for file in (tmp_path / "sights").iterdir()] == [kept]

    def test_a_disk_that_takes_no_sight_leaves_the_run_as_it_is(self, manager, store, tmp_path, caplog):
        (tmp_path / "sights").write_text("no folder")
        (run_id,) = submit(manager, recipe(dataset="Tiny"))
        run = self.wait_for_end(manager, run_id)
        assert (run.status, len(run.evaluations), run.message) == (RunStatus.FINISHED, 3, None)
        assert store.sights.read(run_id) is None
        assert f"What run {run_id} sees could not be stored" in caplog.text

    def test_a_run_that_ended_before_its_first_evaluation_has_none(self, manager, store):
        wild = SGD(lr=10.0, momentum=0.999, nesterov=False)
        (run_id,) = submit(manager, recipe(dataset="Tiny", optimizer=wild, train_iter=5000, eval_every=5000))
        assert self.wait_for_end(manager, run_id).status is RunStatus.DIVERGED
        assert (manager.get_sight(run_id), store.sights.read(run_id)) == (None, None)
