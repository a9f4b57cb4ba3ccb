"""The overfitting lab: why a small training loss does not mean a good test result, and what helps."""

from contextlib import suppress

import streamlit as st

from mlpcore.analysis.curve_shapes import Shape
from mlpcore.analysis.remedies import Remedy, build_remedies, tell_what_to_look_for
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe, current_hyperparameters
from mlpcore.recipes.validation import find_misfit
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import StoreError
from pages.components.overfitting import form as lab_form
from pages.components.overfitting.remedies import match_remedies, remedy_names, show_remedies
from pages.components.overfitting.run import shape_names, show_lab
from pages.components.recipe_form.form_state import first_recipe, put_recipe
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.recipe_summary import describe_data
from pages.components.shared.state import count_images, find_run, get_manager, read_owner
from pages.components.shared.url import put_query, take_query
from pages.components.shared.words import _, as_markdown, say

SHOWN, NEXT = "lab.predicted", "lab.predicted_next"  # what was predicted of the run shown, and of what Start trains
MAX_REMEDIES = 20  # that an address may name: those of one run and of some before it
CUT_OFF = (RunStatus.STOPPED, RunStatus.FAILED, RunStatus.INTERRUPTED)  # a remedy that ended so was not tried yet

owner = read_owner()
datasets = known_datasets(data_home())
lab_form.begin(first_recipe(datasets).dataset)
state = st.session_state
state.setdefault("lab.remedies", [])


def take_address() -> None:
    """Show the run and the remedies that the address names, where it says something new."""
    asked = take_query("lab")
    if asked is None or "lab" not in asked:
        return
    run = find_run(asked["lab"])
    if run is None:
        flash("lab.said", [Sentence("The run that this address names is not kept here.")])
        return
    if run.id != state.get("lab.run"):
        forget_predictions()
    state["lab.run"] = run.id
    state["lab.remedies"] = [part for part in asked.get("remedies", "").split(",") if part][:MAX_REMEDIES]
    lab_form.put_recipe(run.recipe)


def write_address(run: Run | None, tried: dict[str, Run]) -> None:
    """Let the address name what is shown, so that a reload keeps it."""
    if run is None:
        return
    wanted = {"lab": run.id, "remedies": ",".join(state["lab.remedies"])}
    is_ticking = any(not one.status.is_over for one in (run, *tried.values()))
    put_query("lab", {name: value for name, value in wanted.items() if value}, is_ticking=is_ticking)


def submit(recipes: list[Recipe], names: list[str]) -> list[str]:
    """Train recipes; none where that is refused, which is said."""
    try:
        return get_manager().submit(recipes, owner=owner, names=names)
    except (SentenceError, StoreError) as error:
        flash("lab.said", [error.sentence])
        return []


def start(recipe: Recipe) -> None:
    """Train the knobs' recipe."""
    if submitted := submit([recipe], ["lab"]):
        show_new(submitted[0])
        state["lab.remedies"] = []


def show_new(run_id: str) -> None:
    """Show a run that was just submitted; a prediction made before it is its own, and no other's."""
    state["lab.run"] = run_id
    state[SHOWN], state[NEXT] = state.get(NEXT), None


def forget_predictions() -> None:
    """Let whatever is shown, or is trained next, be predicted anew."""
    state[SHOWN] = state[NEXT] = None


def try_remedies(base: Recipe, remedies: list[Remedy]) -> None:
    """Train remedies, and their base with them where there is no run of it yet; one that ended early anew."""
    try:
        run = find_run(state.get("lab.run"))
        earlier = [one for run_id in state["lab.remedies"] if (one := find_run(run_id)) is not None]
    except StoreError as error:
        flash("lab.said", [error.sentence])
        return
    again = [remedy.recipe for remedy in remedies]
    bases = [] if run else [base]
    names = [f"lab {remedy.name.replace('_', ' ')}" for remedy in remedies]
    submitted = submit([*bases, *(remedy.recipe for remedy in remedies)], ["lab"] * len(bases) + names)
    if submitted and not run:
        show_new(submitted.pop(0))
    if submitted:
        state["lab.remedies"] = [*(one.id for one in earlier if one.recipe not in again), *submitted]


def stop(runs: list[Run]) -> None:
    """Stop these runs."""
    for run in runs:
        with suppress(SentenceError, StoreError):  # over by now; a store in trouble is said as the page is drawn
            get_manager().stop(run.id, owner=owner)


def show_header(
    run: Run | None, recipe: Recipe | None, tried: dict[str, Run], *, ready: bool, predicting: bool
) -> None:
    """Say what to look for, beside the buttons; not what is still to be predicted."""
    mine = [one for one in (run, *tried.values()) if one and not one.status.is_over and one.owner == owner]
    shown = run.recipe if run else recipe
    words, buttons = st.columns([3, 1], gap="small", vertical_alignment="center")
    with words, st.container(gap=None):
        if shown is not None:
            images = count_images(shown.dataset)
            st.markdown(say(tell_what_to_look_for(shown, images=images, predicting=predicting)))
            st.caption(as_markdown(describe_data(shown)))
            if run is not None and recipe is not None and recipe != run.recipe:
                st.caption(_("Start trains {recipe}.").format(recipe=as_markdown(describe_data(recipe))))
    with buttons, st.container(horizontal=True, gap="small", horizontal_alignment="right"):
        st.button(_("Stop"), on_click=stop, args=(mine,), disabled=not mine, key="lab.stop")
        st.button(
            _("Start"),
            type="primary",
            key="lab.start",
            shortcut="Ctrl+Enter",
            disabled=bool(mine) or not ready,
            on_click=start,
            args=(recipe,),
        )


def ask_prediction(about: str) -> None:
    """Let the visitor predict the test curve. about: SHOWN or NEXT."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        help_text = _("Hides what the test images say until you have said what test accuracy will do.")
        asks = st.toggle(
            _("Predict first"), key="lab.predict", help=help_text, persist_state="session", width="content"
        )
        if not asks:
            return
        names, predicted = shape_names(), state.get(about)
        if about == SHOWN and predicted is not None:  # the curve is shown: too late for another
            st.text(_("Test accuracy {prediction}: that is your prediction.").format(prediction=names[predicted]))
        else:
            state["lab.prediction"] = predicted
            st.segmented_control(
                _("What will test accuracy do?"),
                list(names),
                format_func=names.get,
                key="lab.prediction",
                on_change=take_prediction,
                args=(about,),
                wrap=True,
            )


def take_prediction(about: str) -> None:
    """Keep what was predicted, longer than its widget is shown."""
    state[about] = state["lab.prediction"]


def show_remedy_buttons(run: Run | None, base: Recipe, tried: dict[str, Run], *, ready: bool) -> None:
    """Offer all remedies, and each of them."""
    remedies = build_remedies(base, images=count_images(base.dataset))
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
                _("{remedy}: {change}").format(remedy=names[remedy.name], change=say(remedy.change)),
                on_click=try_remedies,
                args=(base, [remedy]),
                key=f"lab.try.{remedy.name}",
                disabled=remedy not in left or not can_try,
            )


def open_in_playground(run: Run) -> None:
    """Take a run and its knobs to the playground."""
    if st.button(_("Open in the playground"), key="lab.open"):
        state["run"] = run.id
        put_recipe(current_hyperparameters(run.recipe))
        st.switch_page("playground.py")


take_address()
left, right = st.columns([3, 9], gap="medium")
with left:
    lab_form.show_form(datasets)
    recipe, problems = lab_form.read_recipe()
    misfit = recipe and find_misfit(recipe, datasets, count_images(recipe.dataset))
    for sentence in [*problems, misfit] if misfit else problems:
        show_warning(say(sentence))
ready = recipe is not None and misfit is None
run = find_run(state.get("lab.run"))
base = run.recipe if run else recipe
tried = match_remedies(base, state["lab.remedies"]) if run else {}
about = NEXT if run is None or recipe not in (None, run.recipe) else SHOWN
asks = state.get("lab.predict", False)
prediction: Shape | None = state.get(NEXT if run is None else SHOWN) if asks else None
hidden = asks and prediction is None
with right:
    show_header(run, recipe, tried, ready=ready, predicting=hidden or (asks and state.get(about) is None))
    for sentence in get_flashed("lab.said"):
        st.error(say(sentence))
    ask_prediction(about)
    show_lab(run, recipe, prediction=prediction, hidden=hidden)
if base is not None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            st.markdown(_("##### Remedies"))
            st.caption(_("The same seed and one thing changed; each trains for as many iterations."))
        if run is not None:
            open_in_playground(run)
    show_remedy_buttons(run, base, tried, ready=ready)
    if run is not None:
        show_remedies(run, tried, hidden=hidden)
write_address(run, tried)
