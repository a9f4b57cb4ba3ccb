"""The app in Korean: the pages show no English, and what is stored knows no language."""

import ast
import re
from collections.abc import Callable
from itertools import cycle, islice

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.export import script
from mlpcore.jobs import manager
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, Recipe
from mlpcore.runs.records import Run, browser_owner
from mlpcore.runs.store import RunStore
from pages.components.lessons.builder import LOCKED
from pages.components.shared.i18n import read_catalogue
from tests.support import translation
from tests.support.app_tests import Open, figure, is_over, shown, wait_for
from tests.support.history_page import make_run
from tests.support.recipes import RECIPE_MODELS
from tests.support.shown_texts import MARKS, find_shown

TEXTS = [message for message in translation.read_catalogue("ko") if message.id]
CONCEPTS = ("losses", "network", "updates", "activations", "schedules", "claims")
SHORT = {"dataset": "Tiny", "train_iter": "40", "eval_every": "10", "batch_size": "16"}
KNOBS = {name for kind in RECIPE_MODELS for name in kind.model_fields}
# what stays in Latin letters: names of the API, of data sets and their classes, of formats, of units and of people
LATIN = """
    auto cpu cuda mps xpu CPU GPU MLP MLPnet torch optim numpy PyTorch plotly js none relu ReLU tanh sigmoid float
    nan Nesterov nesterov AMSGrad on off ln train test train_eval_loss train_acc Tiny Shapes CIFAR MNIST FashionMNIST
    dark light triangular exp_range rel abs Moons Circles Spiral Checkerboard Blobs
    EMA SWA TensorBoard Fashion cat dog frog ship seed PNG JPEG CSV JSON json HTML MB GB py ipynb Zhang et al
    Rosenbrock Language English xavier Xavier he He zeros original match_rms_adamw
"""
NAMES = {*KNOBS, *OPTIMIZERS, *SCHEDULERS, *LATIN.split()}
WORD = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z_][A-Za-z_']+(?![A-Za-z0-9_])")


def english_of(text: str) -> list[str]:
    """The Latin words of a text that are no names."""
    return [word for word in WORD.findall(MARKS.sub(" ", text).replace("\\", "")) if word not in NAMES]


def assert_korean(page: AppTest) -> None:
    found = find_shown(page)
    assert any(re.search("[가-힣]", text) for text in found)
    assert {text: words for text in found if (words := english_of(text))} == {}
    translated = {text for message in TEXTS for text, korean in translation.strings(message) if english_of(text)}
    assert found & translated == set()


def open_run(open_page: Open, **query: str) -> tuple[AppTest, Run]:
    """The playground with a run that has just been finished."""
    page = open_page(lang="ko", **SHORT | query)
    shown(page.button(key="start").click().run())
    run_id = page.session_state["run"]
    page = wait_for(page, is_over(run_id))
    return page, manager.shared_manager().get(run_id)


class TestPages:
    @pytest.mark.parametrize("path", ["", "compare.py", "sweep.py", "overfitting.py", "history.py", "images.py"])
    def test_a_page_that_is_opened_speaks_korean(self, open_page: Open, path: str) -> None:
        assert_korean(open_page(path, lang="ko"))

    def test_the_admins_page_speaks_korean(
        self, open_page: Open, page_store: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLPCORE_ADMINS", "발급자 42")
        owner = browser_owner("a token")
        page_store.create_many([make_run("a", name="가", owner=owner), make_run("b", name="나", owner="")])
        page = open_page(lang="ko")
        page.user = {"is_logged_in": True, "iss": "발급자", "sub": "42", "name": "홍길동"}
        page.session_state["admin.person"] = owner
        shown(page.run())
        for view in ("runs", "people", "sweeps"):
            page.session_state["admin.view"] = view
            assert_korean(shown(page.switch_page("admin.py").run()))

    @pytest.mark.parametrize("concept", CONCEPTS)
    def test_a_concept_speaks_korean(self, open_page: Open, concept: str) -> None:
        assert_korean(open_page("concepts.py", lang="ko", concept=concept))

    def test_every_optimizer_and_schedule_speaks_korean(self, open_page: Open) -> None:
        longest = max(len(OPTIMIZERS), len(SCHEDULERS))
        for optimizer, scheduler in islice(zip(cycle(OPTIMIZERS), cycle(SCHEDULERS), strict=False), longest):
            page = open_page(lang="ko", optimizer=optimizer, scheduler=scheduler, warmup_iters="10", train_size="64")
            assert_korean(page)

    def test_a_finished_run_speaks_korean_in_all_its_views(self, open_page: Open) -> None:
        page, run = open_run(open_page, step_size="500")
        assert_korean(page)
        for view in ("health", "images", "classes", "weights", "script"):
            page.session_state["insight"] = view
            page = wait_for(shown(page.run()), lambda: True)
            if view == "script":  # its code is in English as all code is, its comments are another test's
                page.session_state["insight"] = "path"
                assert any(re.search("[가-힣]", code.value) for code in page.code)
            else:
                assert_korean(page)
        page.button(key="lesson.build").click().run()
        page.segmented_control(key="lesson.choice.lr").set_value(LOCKED).run()
        found = {text for text in find_shown(shown(page)) if "?" not in text}  # without the links
        assert {text for text in found if english_of(text)} == set()
        page.query_params.clear()
        page.session_state["history.chosen"] = [run.id]
        assert_korean(shown(page.switch_page("history.py").run()))

    def test_a_finished_comparison_speaks_korean(self, open_page: Open) -> None:
        page = open_page("compare.py", **SHORT, **{"lang": "ko", "2.lr": "0.1", "3.optimizer": "Adam", "seeds": "2"})
        shown(page.button(key="compare.start").click().run())
        ids = page.session_state["compare.runs"]
        assert_korean(wait_for(page, lambda: all(is_over(one)() for one in ids)))

    def test_the_lab_speaks_korean_with_its_remedies_and_a_prediction(self, open_page: Open) -> None:
        page, run = open_run(open_page, scheduler="none", train_size="40", hidden_sizes="8")
        page.query_params.clear()
        page.query_params["lab"] = run.id
        page = shown(page.switch_page("overfitting.py").run())
        assert_korean(page)
        shown(page.button(key="lab.try_all").click().run())
        ids = page.session_state["lab.remedies"]
        assert len(ids) >= 2
        assert_korean(wait_for(page, lambda: all(is_over(one)() for one in ids)))

    def test_tables_have_as_many_columns_as_in_english(self, open_page: Open) -> None:
        page, run = open_run(open_page, train_size="40")

        def count_columns(language: str) -> list[int]:
            page.session_state["language"] = language
            counts = []
            pages = {"history.py": {}, "overfitting.py": {"lab": run.id}, "compare.py": {"runs": run.id}}
            for path, query in pages.items():
                page.query_params.clear()
                for name, value in query.items():
                    page.query_params[name] = value
                page.session_state["history.chosen"] = [run.id]
                shown(page.switch_page(path).run())
                counts += [len(table.value.columns) for table in page.dataframe]
            return counts

        english = count_columns("en")
        assert len(english) >= 3
        assert count_columns("ko") == english

    @pytest.mark.parametrize(
        ("path", "query", "named"),
        [
            ("", {"lr": "99"}, "lr"),
            ("", {"optimizer": "Lion"}, "optimizer"),
            ("", {"batch_size": "x", "milestones": "5,3", "scheduler": "MultiStepLR"}, "batch_size"),
            ("", {"train_size": "5000"}, "train_size"),
            ("", {"scheduler": "CosineAnnealingLR", "T_max": "5"}, "T_max"),
            ("", {"run": "unknown"}, "실행"),
            ("compare.py", {"2.lr": "x", "2.optimizer": "Adam"}, "lr"),
            ("compare.py", {"runs": "unknown"}, "실행"),
            ("overfitting.py", {"lab": "unknown"}, "실행"),
        ],
    )
    def test_a_refusal_speaks_korean(self, open_page: Open, path: str, query: dict[str, str], named: str) -> None:
        page = open_page(path, lang="ko", **({"dataset": "Tiny"} | query))
        said = [element.value for kind in (page.warning, page.error, page.caption, page.text) for element in kind]
        assert any(named in text and re.search("[가-힣]", text) for text in said)
        typed = set(query.values())
        assert {text: words for text in find_shown(page) if (words := set(english_of(text)) - typed)} == {}


class TestRecords:
    def test_a_run_is_stored_the_same_from_either_page(self, open_page: Open) -> None:
        def store_run(language: str) -> Run:
            page = open_page(lang=language, **SHORT | {"lr": "10", "batch_size": "8", "train_iter": "3000"})
            shown(page.button(key="start").click().run())
            wait_for(page, is_over(page.session_state["run"]))
            return manager.shared_manager().get(page.session_state["run"])

        english, korean = store_run("en"), store_run("ko")
        assert korean.message is not None
        assert (korean.name, korean.recipe, korean.message) == (english.name, english.recipe, english.message)

    def test_a_comparison_has_the_same_rows_and_address_in_either_language(self, open_page: Open) -> None:
        english, korean = (open_page("compare.py", lang=language) for language in ("en", "ko"))
        assert korean.session_state["compare.rows"] == english.session_state["compare.rows"]
        assert dict(korean.query_params) == dict(english.query_params) | {"lang": "ko"}

    def test_the_code_of_a_script_is_the_same_and_its_comments_are_korean(self) -> None:
        recipe = Recipe(dataset="Tiny", label_noise=0.1, validation_size=10, train_iter=100)
        translate: Callable[[str], str] = read_catalogue("ko").gettext
        english, korean = script.to_script(recipe), script.to_script(recipe, translate=translate)
        assert ast.dump(ast.parse(korean)) == ast.dump(ast.parse(english))
        comments = [line.strip() for line in korean.split("\n") if line.strip().startswith("# ")]
        assert len(comments) > 10
        assert [line for line in comments if english_of(line)] == []


def test_charts_speak_the_visitors_language(open_page: Open) -> None:
    layout = figure(open_page(lang="ko"), "curves")["layout"]
    assert layout["yaxis"]["title"]["text"] == "미니배치 손실"
    assert layout["yaxis2"]["title"]["text"] == "테스트 정확도"
