"""Choose which job trains next: time is shared between people, not between jobs, so that nobody waits for ever."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Generic, Protocol, TypeVar


class Owned(Hashable, Protocol):
    """Anything with an owner."""

    @property
    def owner(self) -> str:
        """The person it belongs to."""


Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item", bound=Owned)


def choose_active(waiting: Sequence[Item], limit: int) -> list[Item]:
    """Choose the jobs that train at a time; `waiting` is sorted from oldest to newest.

    Everybody's oldest job is chosen, whatever the limit, then everybody's second oldest and so on up to the limit.
    """
    counts: Counter[str] = Counter()
    ranked = []
    for item in waiting:
        ranked.append((counts[item.owner], item))
        counts[item.owner] += 1
    ranked.sort(key=lambda entry: entry[0])  # stable: older ones first where ranks are equal
    return [item for _, item in ranked[: max(limit, len(counts))]]


class TimeShares(Generic[Key]):
    """Shares seconds evenly among those who want them at a time: whoever has used the least is next.

    Only seconds used side by side count. Newcomers, and those who come back, start level with the others: nobody
    saves up time by staying away, and nobody pays for the hours in which they had the machine to themselves.
    """

    def __init__(self) -> None:
        self._used: dict[Key, float] = {}
        self._least = 0.0  # used by the last one picked, when it was picked

    def pick(self, candidates: Sequence[Key]) -> Key:
        """Pick who is next, the first of equals. Raises ValueError without candidates."""
        used = {key: max(self._used.get(key, 0.0), self._least) for key in candidates}
        picked = min(used, key=used.__getitem__)
        self._least = used[picked]
        away = {key: seconds for key, seconds in self._used.items() if seconds > self._least and key not in used}
        self._used = used | away
        return picked

    def charge(self, key: Key, seconds: float) -> None:
        """Record the seconds that the one picked has used."""
        self._used[key] = self._used.get(key, self._least) + seconds


class FairShare(Generic[Item]):
    """Picks the person who has used the least computing time, and of their jobs the one that has used the least."""

    def __init__(self) -> None:
        self._people: TimeShares[str] = TimeShares()
        self._items: dict[str, TimeShares[Item]] = {}  # by owner

    def pick(self, ready: Sequence[Item]) -> Item:
        """Pick the job that trains next. Raises ValueError if nothing is ready."""
        owners = list(dict.fromkeys(item.owner for item in ready))
        self._items = {owner: self._items.get(owner) or TimeShares() for owner in owners}
        owner = self._people.pick(owners)
        return self._items[owner].pick([item for item in ready if item.owner == owner])

    def charge(self, item: Item, seconds: float) -> None:
        """Record the seconds that a job picked has used."""
        self._people.charge(item.owner, seconds)
        self._items.setdefault(item.owner, TimeShares()).charge(item, seconds)  # others may have been picked since
