"""Who may do what with a run: its owner everything, and an admin of the server stop it and delete it."""

import os
from collections.abc import Collection

from mlpcore.runs.messages import BAD_ADMINS, StoreError
from mlpcore.runs.records import is_same_owner, person_owner


class Rights:
    """The rule that the manager of runs, the one of sweeps and the service of stored runs ask."""

    def __init__(self, admins: Collection[str] = ()) -> None:
        """Admit these admins, as `person_owner` writes them."""
        self._admins = tuple(admins)

    def is_admin(self, owner: str) -> bool:
        """Return whether somebody may see and end what everybody does."""
        return any(is_same_owner(admin, owner) for admin in self._admins)

    def may_end(self, of: str, owner: str) -> bool:
        """Return whether somebody may stop and delete what belongs to `of`."""
        return is_same_owner(of, owner) or self.is_admin(owner)


def read_rights() -> Rights:
    """Read the admins from MLPCORE_ADMINS: accounts separated by commas, each an issuer, a space and a subject.

    Both are what the provider says of a person who signs in: together they are the one name of an account that never
    changes and that nobody else can choose.

    Raises StoreError for anything else.
    """
    text = os.environ.get("MLPCORE_ADMINS", "")
    accounts = [account.split() for account in text.split(",") if account.strip()]
    if not all(len(account) == 2 for account in accounts):
        raise StoreError(BAD_ADMINS)
    return Rights([person_owner(issuer, subject) for issuer, subject in accounts])
