"""The overfitting lab: why a small training loss does not mean a good test result, and what helps."""

from contextlib import suppress

import streamlit as st

from mlpcore.analysis.comparison_wording import describe_expectation, describe_remedy
from mlpcore.analysis.curve_shapes import Shape
from mlpcore.analysis.remedies import Remedy, build_remedies, name_lab_run, repeat_recipes
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe, current_hyperparameters
from mlpcore.recipes.validation import find_misfit
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run, RunStatus
from pages.components.lessons.banner import is_building, offer_lesson, show_lesson
from pages.components.lessons.builder import build_lesson
from pages.components.overfitting import form as lab_form
from pages.components.overfitting.lesson import LAB, find_lab_lesson, sets_up, take_set_up, write_asked, write_set_up
from pages.components.overfitting.remedies import match_repeats, remedy_names, select_tried, show_remedies
from pages.components.overfitting.run import shape_names, show_lab
from pages.components.recipe_form.form_state import first_recipe, put_recipe
from pages.components.shared.address import put_query, take_query
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash, flash_errors, get_flashed, show_warning
from pages.components.shared.recipe_summary import describe_data
from pages.components.shared.state import count_images, find_run, get_manager, read_owner, read_runs
from pages.components.shared.words import _, as_markdown, say

SHOWN, NEXT = "lab.predicted", "lab.predicted_next"  # predictions of the run shown, and of the run that Start trains
MAX_REMEDIES = 40  # in an address: those of one run and of some before it
CUT_OFF = (RunStatus.STOPPED, RunStatus.FAILED, RunStatus.INTERRUPTED)  # a remedy that ended so can be tried again

owner = read_owner()
datasets = known_datasets(data_home())
first = lab_form.build_first(first_recipe(datasets).dataset)
lab_form.begin(first.dataset)
state = st.session_state
state.setdefault("lab.remedies", [])


def read_address() -> None:
    """Show what a new address names: a run and its remedies, or knobs and a lesson before anything is trained."""
    asked = take_query("lab")
    if asked is None:
        return
    said = take_set_up(asked, first, datasets)
    run = find_run(asked.get("lab"))
    if run is None and "lab" in asked:
        said.append(Sentence("The run that this address names is not kept here."))
    elif run is not None or sets_up(asked):
        show_named(run, asked.get("remedies", ""))
    if run is not None and not sets_up(asked):
        lab_form.put_recipe(run.recipe)
    flash("lab.said", said)


def show_named(run: Run | None, remedies: str) -> None:
    """Show the run that an address names, or none, with its remedies."""
    if run is None or run.id != state.get("lab.run"):
        forget_predictions()
    state["lab.run"] = run.id if run else None
    state["lab.remedies"] = [part for part in remedies.split(",") if part][:MAX_REMEDIES]


def write_address(run: Run | None, recipe: Recipe | None, *, is_ticking: bool) -> None:
    """Write what is shown into the address, so that a reload keeps it and a link can be shared."""
    wanted = {"lab": run.id, "remedies": ",".join(state["lab.remedies"])} if run else {}
    if recipe is not None and (run is None or find_lab_lesson().is_on):
        wanted |= write_set_up(recipe)
    if wanted:
        put_query("lab", {name: value for name, value in wanted.items() if value}, is_ticking=is_ticking)


def submit(recipes: list[Recipe], names: list[str]) -> list[str]:
    """Submit recipes; return the ids of their runs, none if they are refused."""
    with flash_errors("lab.said"):
        return get_manager().submit(recipes, owner=owner, names=names, lesson=find_lab_lesson().label)
    return []


def start() -> None:
    """Train the recipe of the knobs, as they are at the click."""
    recipe, _problems = lab_form.read_lab_form()
    if recipe is not None and (submitted := submit([recipe], [name_lab_run(recipe)])):
        show_submitted(submitted[0])
        state["lab.remedies"] = []


def show_submitted(run_id: str) -> None:
    """Show a run that was just submitted, with the prediction that was made for it."""
    state["lab.run"] = run_id
    state[SHOWN], state[NEXT] = state.get(NEXT), None


def forget_predictions() -> None:
    """Clear the predictions of the run shown and of the next one."""
    state[SHOWN] = state[NEXT] = None


def try_remedies(base: Recipe, remedies: list[Remedy]) -> None:
    """Train remedies, and their base if it has no run yet; a remedy that ended early is trained again."""
    again = [remedy.recipe for remedy in remedies]
    names = [name_lab_run(recipe) for recipe in again]
    with flash_errors("lab.said"):
        run = find_run(state.get("lab.run"))
        earlier = read_runs(state["lab.remedies"])
        recipes, names = (again, names) if run else ([base, *again], [name_lab_run(base), *names])
        submitted = get_manager().submit(recipes, owner=owner, names=names, lesson=find_lab_lesson().label)
        if not run:
            show_submitted(submitted.pop(0))
        state["lab.remedies"] = [*(one.id for one in earlier if one.recipe not in again), *submitted]


def repeat_remedies(recipes: list[Recipe], names: list[str]) -> None:
    """Train the base and the remedies with further seeds."""
    state["lab.remedies"] = [*state["lab.remedies"], *submit(recipes, names)]


def stop(runs: list[Run]) -> None:
    """Stop these runs."""
    for run in runs:
        with suppress(SentenceError, StoreError):  # it may be over by now; the page itself reports a store that fails
            get_manager().stop(run.id, owner=owner)


def show_header(run: Run | None, recipe: Recipe | None, everyone: list[Run], *, ready: bool, predicting: bool) -> None:
    """Say what to look for, beside the buttons, without giving away what is still to be predicted."""
    mine = [one for one in everyone if not one.status.is_over and one.belongs_to(owner)]
    shown = recipe or (run.recipe if run else None)  # the knobs: a preset changes what is said at once
    words, buttons = st.columns([2, 1], gap="small", vertical_alignment="center")  # three buttons in a row at 1280 px
    with words, st.container(gap=None):
        if shown is not None:
            images = count_images(shown.data)
            if not find_lab_lesson().hides_diagnoses:
                st.markdown(say(describe_expectation(shown, images=images, predicting=predicting)))
            st.caption(as_markdown(describe_data(shown)))
            if run is not None and recipe is not None and recipe != run.recipe:
                template = _("The curves are of {run}, until Start trains what the knobs say.")
                st.caption(template.format(run=as_markdown(describe_data(run.recipe))))
    with buttons, st.container(horizontal=True, gap="small", horizontal_alignment="right", vertical_alignment="center"):
        offer_lesson(LAB)
        st.button(_("Stop"), on_click=stop, args=(mine,), disabled=not mine, key="lab.stop")
        st.button(
            _("Start"),
            type="primary",
            key="lab.start",
            shortcut="Ctrl+Enter",
            disabled=bool(mine) or not ready,
            on_click=start,
        )


def ask_prediction(about: str) -> None:
    """Let the visitor predict the test curve. about: SHOWN or NEXT."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        help_text = _("Hides the results on the test images until you have predicted what test accuracy will do.")
        asks = st.toggle(_("Predict first"), help=help_text, width="content", **persistent("lab.predict"))
        if not asks:
            return
        names, predicted = shape_names(), state.get(about)
        if about == SHOWN and predicted is not None:  # the curve is shown, so it is too late to change
            st.text(_("Test accuracy {prediction}: that is your prediction.").format(prediction=names[predicted]))
        else:
            state["lab.prediction"] = predicted
            st.segmented_control(
                _("What will test accuracy do?"),
                list(names),
                format_func=names.__getitem__,
                key="lab.prediction",
                on_change=keep_prediction,
                args=(about,),
                wrap=True,
            )


def keep_prediction(about: str) -> None:
    """Keep the prediction after its widget is gone."""
    state[about] = state["lab.prediction"]


def show_remedy_buttons(run: Run | None, base: Recipe, repeats: dict[str, dict[int, Run]], *, ready: bool) -> None:
    """Offer all remedies together, each of them, and those that were tried with further seeds."""
    tried = select_tried(run, repeats) if run else {}
    remedies = build_remedies(base, images=count_images(base.data))
    left = [remedy for remedy in remedies if remedy.name not in tried or tried[remedy.name].status in CUT_OFF]
    names = remedy_names()
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        can_try = ready or run is not None
        st.button(
            _("Try all"),
            on_click=try_remedies,
            args=(base, left),
            key="lab.try_all",
            disabled=not (left and can_try),
        )
        for remedy in remedies:
            st.button(
                _("{remedy}: {change}").format(remedy=names[remedy.name], change=say(describe_remedy(remedy))),
                on_click=try_remedies,
                args=(base, [remedy]),
                key=f"lab.try.{remedy.name}",
                disabled=remedy not in left or not can_try,
            )
        planned = repeat_recipes(base, tried, images=count_images(base.data)) if tried else {}
        missing = {key: recipe for key, recipe in planned.items() if not is_tried(repeats, *key)}
        st.button(
            _("Repeat with three seeds"),
            on_click=repeat_remedies,
            args=(list(missing.values()), [name_lab_run(recipe) for recipe in missing.values()]),
            key="lab.repeat",
            help=_("Trains the base and the remedies above with two more seeds; a paired t-test then compares them."),
            disabled=not missing,
        )


def is_tried(repeats: dict[str, dict[int, Run]], name: str, seed: int) -> bool:
    """Return whether a remedy, or the base, has a run with a seed that was not cut off."""
    run = repeats.get(name, {}).get(seed)
    return run is not None and run.status not in CUT_OFF


def open_in_playground(run: Run) -> None:
    """Open a run and its hyperparameters in the playground."""
    if st.button(_("Open in the playground"), key="lab.open"):
        state["run"] = run.id
        put_recipe(current_hyperparameters(run.recipe))
        st.switch_page("playground.py")


read_address()
left, right = st.columns([3, 9], gap="medium")
with left:
    show_lesson(LAB)
    lab_form.show_form(datasets)
    recipe, problems = lab_form.read_lab_form()
    misfit = recipe and find_misfit(recipe, datasets, count_images(recipe.data))
    for sentence in [*problems, misfit] if misfit else problems:
        show_warning(say(sentence))
ready = recipe is not None and misfit is None
run = find_run(state.get("lab.run"))
base = run.recipe if run else recipe
repeats = match_repeats(run, read_runs(state["lab.remedies"])) if run else {}
everyone = [one for by_seed in repeats.values() for one in by_seed.values()]
about = NEXT if run is None or recipe not in (None, run.recipe) else SHOWN
asks = state.get("lab.predict", False)
prediction: Shape | None = state.get(NEXT if run is None else SHOWN) if asks else None
hidden = asks and prediction is None
with right:
    for sentence in get_flashed("lab.said"):
        show_warning(say(sentence))
    if is_building(LAB):
        build_lesson(recipe, LAB, query=write_asked())
    else:
        show_header(run, recipe, everyone, ready=ready, predicting=hidden or (asks and state.get(about) is None))
        ask_prediction(about)
        show_lab(run, recipe, prediction=prediction, hidden=hidden)
if base is not None and not is_building(LAB):
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            st.markdown(_("##### Remedies"))
            st.caption(_("The same seed and one thing changed; each trains for as many iterations."))
        if run is not None:
            open_in_playground(run)
    show_remedy_buttons(run, base, repeats, ready=ready)
    if run is not None:
        show_remedies(run, repeats, hidden=hidden)
write_address(run, recipe, is_ticking=any(not one.status.is_over for one in everyone))
