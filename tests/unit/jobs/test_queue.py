"""The queue: runs in jobs, what is asked of them, and how fast they train."""

import threading
from collections.abc import Sequence

from mlpcore.jobs.queue import ActiveRun, Demand, Job, JobQueue
from mlpcore.runs.records import Run, RunStatus
from tests.support.managers import SHORT

RUNS = [Run(str(number), "one", SHORT, RunStatus.RUNNING, 0.0) for number in range(3)]


def build_job(runs: Sequence[Run]) -> Job:
    return Job(runs, Demand("cpu", 0, 0), stop_when_disconnected=False, seen_at=0.0)


def test_a_run_that_is_submitted_while_runs_are_listed_breaks_no_list() -> None:
    """As one thread that lists runs comes to one, another thread adds a job, if it may."""
    queue = JobQueue()

    def add() -> None:
        if queue.lock.acquire(blocking=False):
            queue.add([build_job(RUNS[2:])])
            queue.lock.release()

    class Watched(ActiveRun):
        def __getattribute__(self, name: str) -> object:
            if name == "run" and queue.runs:
                adding = threading.Thread(target=add)
                adding.start()
                adding.join()
            return super().__getattribute__(name)

    job = build_job(RUNS[:2])
    job.runs = [Watched(run, job, position) for position, run in enumerate(RUNS[:2])]
    queue.add([job])
    assert queue.jobs() == [job]
    assert queue.active_runs() == job.runs
    assert list(queue.runs) == ["0", "1"]


def test_only_a_stop_of_a_run_whose_evaluation_is_computed_makes_a_job_go_on_to_its_end() -> None:
    job = build_job(RUNS)
    assert not job.must_complete_evaluation
    job.pending = {1, 2}
    job.runs[0].request_stop()
    assert not job.must_complete_evaluation
    job.runs[1].request_stop()
    assert job.must_complete_evaluation


def test_speed_is_that_of_the_last_time_slices() -> None:
    job = build_job(RUNS)
    assert job.iterations_per_second is None
    job.step_times.append((10.0, 100))
    assert job.iterations_per_second is None
    job.step_times.append((10.5, 350))
    assert job.iterations_per_second == 500.0
