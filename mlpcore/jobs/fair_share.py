"""Whose turn it is: computing time is shared by person, not by run, and nobody waits for ever."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Generic, Protocol, TypeVar


class Owned(Hashable, Protocol):
    """What belongs to somebody."""

    @property
    def owner(self) -> str:
        """Whose it is."""


Key = TypeVar("Key", bound=Hashable)
Work = TypeVar("Work", bound=Owned)


def choose_active(waiting: Sequence[Work], limit: int) -> list[Work]:
    """Choose what is worked on at a time, of all that waits, oldest first.

    Everybody's oldest, whatever the limit; up to the limit then everybody's second oldest, and so on.
    """
    places: Counter[str] = Counter()
    ranked = []
    for work in waiting:
        ranked.append((places[work.owner], work))
        places[work.owner] += 1
    ranked.sort(key=lambda entry: entry[0])  # stable: of one round the oldest stay first
    return [work for _, work in ranked[: max(limit, len(places))]]


class Shares(Generic[Key]):
    """Seconds, shared evenly by those who want them at the moment: who has used the least goes next.

    Only what was used side by side counts. Who comes, or comes back, begins where the others are: nobody saves up
    turns by staying away, and nobody pays for the hours in which the machine was theirs alone.
    """

    def __init__(self) -> None:
        self._used: dict[Key, float] = {}
        self._least = 0.0  # that whoever went last had used before their turn

    def pick(self, wanting: Sequence[Key]) -> Key:
        """Pick who goes next, the first of equals. Raises ValueError where nobody wants to."""
        used = {key: max(self._used.get(key, 0.0), self._least) for key in wanting}
        picked = min(used, key=used.__getitem__)
        self._least = used[picked]
        away = {key: seconds for key, seconds in self._used.items() if seconds > self._least and key not in used}
        self._used = used | away
        return picked

    def charge(self, key: Key, seconds: float) -> None:
        """Count what a turn took."""
        self._used[key] = self._used.get(key, self._least) + seconds


class FairShare(Generic[Work]):
    """Whose turn it is: the person's who has used the least, and of what is theirs that which has used the least."""

    def __init__(self) -> None:
        self._people: Shares[str] = Shares()
        self._own: dict[str, Shares[Work]] = {}

    def pick(self, ready: Sequence[Work]) -> Work:
        """Pick what is worked on next. Raises ValueError where nothing is ready."""
        owners = list(dict.fromkeys(work.owner for work in ready))
        self._own = {owner: self._own.get(owner) or Shares() for owner in owners}
        owner = self._people.pick(owners)
        return self._own[owner].pick([work for work in ready if work.owner == owner])

    def charge(self, work: Work, seconds: float) -> None:
        """Count what a turn took."""
        self._people.charge(work.owner, seconds)
        self._own[work.owner].charge(work, seconds)
