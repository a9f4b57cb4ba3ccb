"""StoredRuns: what people may do with what is stored, each request checked against its owner and their quota."""

import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from mlpcore.messages import SentenceError
from mlpcore.recipes.messages import BAD_NAME
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import shorten
from mlpcore.runs.messages import BAD_QUOTA, NOT_ADMIN, NOT_OVER, NOT_YOURS, TOO_MANY_IMPORTS, unknown_run
from mlpcore.runs.people.accounts import Person
from mlpcore.runs.people.rights import Rights, read_rights
from mlpcore.runs.quota import Usage, check_quota, estimate_recipe, estimate_run, estimate_sweep, read_quota
from mlpcore.runs.records import NAME, Run, is_same_owner
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import StoredSweep

MAX_IMPORTS = 20  # files per person and hour
HOUR = 3600.0  # seconds
LARGEST_QUOTA = 1e15  # bytes
DELETED_AT_ONCE = 100  # runs per write, so that other writers need not wait


class StoredRuns:
    """Changes, deletes and imports runs for their owners; needs no torch, unlike the manager of active runs.

    All methods may be called from any thread. They raise SentenceError if the request is refused, and StoreError if
    the database cannot be used.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        quota: float | None = None,
        rights: Rights | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve the runs of a store.

        Args:
            store: Where the runs are.
            quota: Bytes that each person may store; by default, what MLPCORE_QUOTA_GB says.
            rights: Who may stop and delete what; by default, what MLPCORE_ADMINS says.
            clock: Seconds, for the limit on imports.
        """
        self.store = store
        self.quota = read_quota() if quota is None else quota
        self.rights = read_rights() if rights is None else rights
        self._clock = clock
        self._imports: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MAX_IMPORTS))

    def annotate(
        self,
        run_id: str,
        *,
        owner: str,
        name: str | None = None,
        note: str | None = None,
        starred: bool | None = None,
    ) -> None:
        """Change the name, note or star of a run."""
        if (state := self.store.read_state(run_id)) is None:
            raise unknown_run(run_id)
        if not is_same_owner(state.owner, owner):
            raise SentenceError(NOT_YOURS)
        if name is not None and not re.fullmatch(NAME, name):
            raise SentenceError(BAD_NAME, field="name", value=shorten(name))
        self.store.annotate(run_id, name=name, note=note, starred=starred)

    def delete(self, run_ids: Sequence[str], *, owner: str) -> None:
        """Delete runs that are over: one's own, an admin anybody's. Nothing is deleted if one may not be."""
        # one that is not there was deleted meanwhile, by another page of theirs
        found = {run_id: state for run_id in run_ids if (state := self.store.read_state(run_id)) is not None}
        for state in found.values():
            if not self.rights.may_end(state.owner, owner):
                raise SentenceError(NOT_YOURS)
            if not state.status.is_over:
                raise SentenceError(NOT_OVER)
        self.store.delete(list(found))

    def delete_all(self, *, owner: str, of: str | None = None) -> int:
        """Delete the runs of a person that are over and not starred, and foreign ones; return how many of the first.

        of: Whose, if an admin does it for somebody else.
        """
        of = owner if of is None else of
        if not self.rights.may_end(of, owner):
            raise SentenceError(NOT_YOURS)
        run_ids = self.store.deletion.find_deletable(of)
        for start in range(0, len(run_ids), DELETED_AT_ONCE):
            self.store.delete(run_ids[start : start + DELETED_AT_ONCE])
        self.store.foreign.delete(owner=of)
        return len(run_ids)

    def undo_deletion(self, *, owner: str, also: Sequence[str] = ()) -> int:
        """Bring back the runs of a person that were deleted within the last minute; return how many.

        also: The ids of runs that an admin deleted and that belong to others.
        """
        if also and not self.rights.is_admin(owner):
            raise SentenceError(NOT_YOURS)
        run_ids = self.store.deletion.find_restorable(owner, also=also)
        self.store.deletion.restore(run_ids)
        return len(run_ids)

    def import_runs(self, read: Callable[[], Sequence[Run]], *, owner: str) -> int:
        """Store the runs that `read` returns, all of them or none; return how many.

        A file is read only if its owner may import one more, because reading the largest takes a second.
        """
        self._count_import(owner)
        runs = read()
        if not all(run.belongs_to(owner) and run.status.is_over for run in runs):
            raise ValueError("read returned a run of another owner, or one that is not over")
        check_quota(self.measure_usage(owner).bytes, sum(map(estimate_run, runs)), self.quota_of(owner))
        self.store.create_many(runs)
        return len(runs)

    def import_sweeps(self, read: Callable[[], Sequence[StoredSweep]], *, owner: str) -> list[str]:
        """Store the sweeps that `read` returns, all of them or none; return their ids. A file counts as one of runs."""
        self._count_import(owner)
        sweeps = read()
        if not all(is_same_owner(sweep.owner, owner) and sweep.status.is_over for sweep in sweeps):
            raise ValueError("read returned a sweep of another owner, or one that is not over")
        check_quota(self.measure_usage(owner).bytes, sum(map(estimate_sweep, sweeps)), self.quota_of(owner))
        self.store.sweeps.create(*sweeps)
        return [sweep.id for sweep in sweeps]

    def _count_import(self, owner: str) -> None:
        now, past = self._clock(), self._imports[owner]
        if len(past) == MAX_IMPORTS and now - past[0] < HOUR:
            raise SentenceError(TOO_MANY_IMPORTS, limit=MAX_IMPORTS)
        past.append(now)

    def quota_of(self, owner: str) -> float:
        """Return the bytes that a person may store: their own quota if an admin has set one, else everybody's."""
        own = self.store.people.get_quota(owner)
        return self.quota if own is None else own

    def set_quota(self, of: str, quota: float | None, *, owner: str) -> None:
        """Set the bytes that a person may store, which only an admin may do; None: as many as everybody."""
        self._require_admin(owner)
        if quota is not None and not 0 <= quota <= LARGEST_QUOTA:
            raise SentenceError(BAD_QUOTA, most=LARGEST_QUOTA / 1e9)
        self.store.people.set_quota(of, quota)

    def list_people(self, *, owner: str) -> list[Person]:
        """List the people who have stored runs, those first who started one last; only for an admin."""
        self._require_admin(owner)
        return self.store.people.list_latest()

    def check_room(self, recipes: Sequence[Recipe], *, owner: str) -> None:
        """Raise SentenceError, which says how to free space, if runs of these recipes would exceed a person's quota.

        The command line, which starts runs without an owner, has no quota.
        """
        if owner:
            check_quota(self.measure_usage(owner).bytes, sum(map(estimate_recipe, recipes)), self.quota_of(owner))

    def measure_usage(self, owner: str) -> Usage:
        """Measure what a person's runs take, in the database and as snapshots."""
        return self.store.measure_usage(owner)

    def _require_admin(self, owner: str) -> None:
        if not self.rights.is_admin(owner):
            raise SentenceError(NOT_ADMIN)
