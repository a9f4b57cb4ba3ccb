"""Kills at random moments of training, two or with --long twenty, and a server that is killed, then asked to end."""

from contextlib import closing
from dataclasses import replace
from math import nextafter
from pathlib import Path

from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.stress.killed import LATEST, begin_run, check_file, check_history, end_server, find_lost, kill_at_random
from tests.support.image_folders import make_tiny
from tests.support.servers import serving
from tests.support.trainer_process import Said, as_json


def test_what_was_measured_a_while_ago_survives_a_kill_at_any_moment(tmp_path: Path, is_long: bool) -> None:
    # the command holds it to the second; here five, for a machine that other tests keep busy
    count, latest = (20, LATEST) if is_long else (2, 1.5)  # each second is trained a second time, to compare
    kills = list(kill_at_random(tmp_path, count, seed=3, kept=5.0, latest=latest))
    assert len(kills) == count
    assert sum(kill.said for kill in kills) > 0


def test_a_killed_servers_run_is_kept_and_interrupted_and_one_that_is_asked_to_end_says_so(tmp_path: Path) -> None:
    make_tiny(tmp_path / "data")
    with serving(tmp_path / "server", data=tmp_path / "data") as server:
        killed = begin_run(server)
        server.kill()
        assert check_file(server.home / "runs.sqlite3") == "ok"
        server.start()
        _seconds, ended = end_server(server)  # its page is opened first: a start marks what the killed one left
        with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
            left = store.get(killed)
        assert (left.status, ended.status) == (RunStatus.INTERRUPTED, RunStatus.INTERRUPTED)
        assert str(left.message).startswith("The program ended while this run was going on")
        assert str(ended.message).startswith("The server was shut down")
        for run in (left, ended):
            assert run.evaluations
            check_history(run, tmp_path / "data")
        assert "Traceback" not in server.read_log()


def test_an_evaluation_that_is_missing_or_differs_in_a_bit_counts_as_lost() -> None:
    first, second = (Evaluation(step, 2.0, 1.9, 0.2, 2.1, 0.1, 0.01, 0.5) for step in (1, 2))
    run = Run(id="a", name="a", recipe=Recipe(), status=RunStatus.RUNNING, created=0.0, evaluations=(first,))
    changed = replace(first, test_acc=nextafter(0.1, 1))
    said = [Said("a", 0.0, as_json(evaluation)) for evaluation in (first, second, changed)]
    assert find_lost(said, [run]) == said[1:]
