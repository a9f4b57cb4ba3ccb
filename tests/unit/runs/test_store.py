"""The store's promises, each on every backend."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import MappingProxyType

import pytest

from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import SGD, Change, Recipe
from mlpcore.runs.records import Evaluation, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.present import present
from tests.support.stores import RECIPE, evaluation, run


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


class TestRunStore:
    def test_run_comes_back_as_it_was_stored(self, store: RunStore) -> None:
        everything = run(
            recipe=Recipe(optimizer=SGD(lr=0.1), seed=2**32 - 1, changes=(Change(step=10, lr=1e-5),)),
            owner="token",
            step=200,
            seconds=1.5,
            device="cpu",
            versions=MappingProxyType({"torch": "2.13.0"}),
            message=Sentence("{step:,} — {word}.", {"step": 1234, "word": "한국어"}),
            traceback="Traceback\n  …",
            continues="b",
            forked_from="c",
            evaluations=(evaluation(100), evaluation(200)),
        )
        store.create_many([everything])
        assert store.get("a") == everything

    def test_sentence_whose_values_cannot_be_kept_is_kept_whole(self, store: RunStore) -> None:
        store.create_many(
            [run(message=Sentence("{{{folder}}} at {lr:.1f}", {"folder": Path("here"), "lr": float("nan")}))]
        )
        kept = present(store.get("a").message)
        assert (str(kept), kept.values) == ("{here} at nan", {})

    def test_floats_come_back_bit_for_bit(self, store: RunStore) -> None:
        exact = Evaluation(1, 0.1 + 0.2, 5e-324, 0.0, 1.7976931348623157e308, 1 / 3, -(2.0**-1022), 1e16)
        exact = replace(exact, gradient_norms=(2.5, 5e-324), update_ratios=(1e-3, 0.1 + 0.2), stuck_units=(1 / 3,))
        store.create_many([run()])
        store.update("a", evaluations=[exact])
        assert repr(store.get("a").latest) == repr(exact)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_evaluation_that_is_not_finite_is_refused_and_nothing_of_its_write_stored(
        self, store: RunStore, value: float
    ) -> None:
        store.create_many([run()])
        with pytest.raises(ValueError, match=r"train_loss is .*: only finite numbers"):
            store.update("a", evaluations=[evaluation(1), evaluation(2, train_loss=value)], status=RunStatus.FINISHED)
        assert store.get("a") == run()

    def test_second_run_of_an_id_is_refused(self, store: RunStore) -> None:
        store.create_many([run()])
        with pytest.raises(ValueError, match="id is 'a': a run with that id is stored already"):
            store.create_many([run(name="another")])
        assert store.get("a").name == "first try"

    def test_unknown_run_is_said_to_be_unknown(self, store: RunStore) -> None:
        for call in (
            lambda: store.get("b"),
            lambda: store.delete(["b"]),
            lambda: store.update("b", step=1),
            lambda: store.update("b", evaluations=[evaluation(1)]),
        ):
            with pytest.raises(ValueError, match="There is no run 'b'"):
                call()

    def test_state_is_read_alone(self, store: RunStore) -> None:
        store.create_many([run(owner="ann", status=RunStatus.PAUSED)])
        assert present(store.read_state("a"))[:2] == ("ann", RunStatus.PAUSED)
        assert store.read_state("b") is None

    def test_update_changes_what_it_names_and_nothing_else(self, store: RunStore) -> None:
        store.create_many([run(status=RunStatus.QUEUED)])
        edited = RECIPE.model_copy(update={"changes": (Change(step=7, lr=0.5),)})
        store.update("a", status=RunStatus.PAUSED, step=7, seconds=0.5, recipe=edited)
        assert store.get("a") == run(status=RunStatus.PAUSED, step=7, seconds=0.5, recipe=edited)
        store.update("a", device="cuda", message=Sentence("m"), traceback="t")
        assert store.get("a").step == 7
        assert store.get("a").device == "cuda"

    def test_evaluations_come_back_in_the_order_of_their_steps_and_move_the_run_on(self, store: RunStore) -> None:
        store.create_many([run()])
        store.update("a", evaluations=[evaluation(200), evaluation(300)])
        store.update("a", evaluations=[evaluation(100)])
        kept = store.get("a")
        assert [each.step for each in kept.evaluations] == [100, 200, 300]
        assert (kept.step, kept.seconds) == (300, 3.0)

    def test_evaluation_added_again_is_kept_once_and_another_at_its_step_is_refused(self, store: RunStore) -> None:
        store.create_many([run()])
        store.update("a", evaluations=[evaluation(1), evaluation(2)])
        store.update("a", evaluations=[evaluation(2), evaluation(3)])
        with pytest.raises(ValueError, match="step is 2: run a has another evaluation"):
            store.update("a", evaluations=[evaluation(2, train_loss=1.0), evaluation(4)])
        with pytest.raises(ValueError, match="2 entries at 1 steps"):
            store.update("a", evaluations=[evaluation(5), evaluation(5)])
        assert store.get("a").evaluations == (evaluation(1), evaluation(2), evaluation(3))

    def test_last_evaluations_and_the_end_are_one_write(self, store: RunStore) -> None:
        store.create_many([run()])
        store.update("a", evaluations=[evaluation(100)], status=RunStatus.FINISHED, step=120, seconds=9.0)
        assert store.get("a") == run(status=RunStatus.FINISHED, step=120, seconds=9.0, evaluations=(evaluation(100),))

    @pytest.mark.parametrize("status", [status for status in RunStatus if status.is_over])
    def test_run_that_is_over_never_changes(self, store: RunStore, status: RunStatus) -> None:
        store.create_many([run()])
        store.update("a", evaluations=[evaluation(1)], status=status)
        sealed = store.get("a")
        for call in (
            lambda: store.update("a", evaluations=[evaluation(2)]),
            lambda: store.update("a", status=RunStatus.RUNNING),
            lambda: store.update("a", message=Sentence("other")),
        ):
            with pytest.raises(ValueError, match=f"Run a is {status}: a run that is over never changes"):
                call()
        assert store.get("a") == sealed

    def test_readers_copy_is_never_changed_later(self, store: RunStore) -> None:
        store.create_many([run(versions=MappingProxyType({"torch": "2.13.0"}))])
        copy = store.get("a")
        store.update("a", evaluations=[evaluation(1)], status=RunStatus.STOPPED)
        assert (copy.status, copy.evaluations) == (RunStatus.RUNNING, ())
        with pytest.raises(FrozenInstanceError):
            copy.step = 3  # type: ignore[misc]
        with pytest.raises(TypeError):
            copy.versions["torch"] = "1"  # type: ignore[index]

    def test_many_runs_are_stored_together_or_not_at_all(self, store: RunStore) -> None:
        store.create_many([run("b")])
        with pytest.raises(ValueError, match="id is 'b': a run with that id is stored already"):
            store.create_many([run("a", evaluations=(evaluation(1),)), run("b"), run("c")])
        assert store.count() == 1
        with pytest.raises(ValueError, match="train_loss is nan"):
            store.create_many([run("a"), run("c", evaluations=(evaluation(1, train_loss=float("nan")),))])
        assert store.count() == 1
        store.create_many([])
        kept = [run("a", evaluations=(evaluation(1),)), run("c", status=RunStatus.FINISHED)]
        store.create_many(kept)
        assert [store.get("a"), store.get("c")] == kept

    def test_name_note_and_star_can_be_changed_when_a_run_is_over_and_nothing_else(self, store: RunStore) -> None:
        over = run(status=RunStatus.FINISHED, evaluations=(evaluation(1),))
        store.create_many([over])
        store.annotate("a", note="50% better — 한국어")
        assert store.get("a") == replace(over, note="50% better — 한국어")
        store.annotate("a", name="second", starred=True)
        assert store.get("a") == replace(over, name="second", note="50% better — 한국어", starred=True)
        store.annotate("a", note="", starred=False)
        assert store.get("a") == replace(over, name="second")
        with pytest.raises(ValueError, match="There is no run 'b'"):
            store.annotate("b", note="")

    def test_text_with_a_character_that_no_database_keeps_is_stored_without_it(self, store: RunStore) -> None:
        store.create_many([run(note="a\0b", traceback="\0")])
        store.update("a", traceback="c\0d")
        assert (store.get("a").note, store.get("a").traceback) == ("a�b", "c�d")
        store.annotate("a", note="\0")
        assert store.get("a").note == "�"

    def test_run_that_goes_on_is_not_deleted(self, store: RunStore) -> None:
        store.create_many([run()])
        with pytest.raises(ValueError, match="Run a is running: it must be stopped before it can be deleted"):
            store.delete(["a"])
        assert store.count() == 1
