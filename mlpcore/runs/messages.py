"""Every sentence for people about stored runs, and the error that carries them."""

from typing import Any

from mlpcore.messages import N_, Sentence, SentenceError

INTERRUPTED = Sentence("The program ended while this run was going on; what it had measured until then is kept.")
CLOSED = N_("The store of the runs is closed: start the program again.")
BAD_ADDRESS = N_(
    "MLPCORE_STORE is not the address of a database that can be used here: write it like "
    "postgresql+psycopg://user:password@host/database, and install requirements-postgresql.txt."
)
FOLDER_CANNOT_BE_CREATED = N_(
    "The folder of the runs cannot be created ({reason}): name another folder in MLPCORE_HOME."
)
FOLDER_IS_READ_ONLY = N_(
    "The folder of the runs cannot be written to ({reason}): allow this program to write in it, free some space on its "
    "disk, or name another folder in MLPCORE_HOME."
)
NEWER_SCHEMA = N_(
    "The runs were stored by a newer version of this program (its schema is {found}, this one knows {known}): "
    "update this program, or name another folder in MLPCORE_HOME."
)
NOT_YOURS = N_("Only the person who started this run can do that.")
BAD_ADMINS = N_(
    "MLPCORE_ADMINS must be accounts separated by commas, each as the page shows it at the bottom: an issuer, a space "
    "and a subject."
)
NOT_ADMIN = N_("Only an admin of this server can do that.")
BAD_QUOTA = N_("A quota is a number of GB from 0 to {most:,.0f}.")
NOT_OVER = N_("A run must be stopped before it can be deleted.")
OVER_QUOTA = N_(
    "Your runs take {used:.2f} GB of the {quota:g} GB that each person may store, and this needs about {more:.2f} GB "
    "more. To free space, delete runs on the History page."
)
BAD_GIGABYTES = N_("{variable} is {value}: it must be a number of GB above 0.")
TOO_MANY_IMPORTS = N_("You imported {limit} files within an hour. Try again later.")
DISK_IS_FULL = N_("The disk is full, so nothing more can be stored: free some space on it.")
DATABASE_IS_LOCKED = N_("Another program keeps the database of the runs locked: close it, or wait until it is done.")
UNREACHABLE = N_(
    "The database of the runs cannot be reached; it may be restarting. Training goes on, and what it measures is "
    "stored when the database is back."
)
NO_CONNECTION_FREE = N_(
    "The database of the runs has no free connection. Training goes on, and what it measures is stored later. If this "
    "lasts, raise max_connections of the database."
)
# by the second word of SQLite's name for the error: SQLITE_IOERR_WRITE is an IOERR
_SQLITE_ERRORS = {
    "FULL": DISK_IS_FULL,
    "BUSY": DATABASE_IS_LOCKED,
    "READONLY": N_(
        "The database of the runs cannot be written to: allow this program to write in the folder of the runs, or name "
        "another folder in MLPCORE_HOME."
    ),
    "CANTOPEN": N_(
        "The database of the runs cannot be opened: allow this program to read and write in the folder of the runs, or "
        "name another folder in MLPCORE_HOME."
    ),
    "IOERR": N_("The disk of the runs could not be read or written: check whether it is full, unplugged or failing."),
    "CORRUPT": N_("The database of the runs is damaged: restore a copy of it, or move the file away to start afresh."),
    "NOTADB": N_(
        "The file of the runs is not a database: restore a copy of it, or move the file away to start afresh."
    ),
}
# by the beginning of PostgreSQL's code for the error
_POSTGRESQL_ERRORS = {
    "08": UNREACHABLE,
    "25006": N_("The database of the runs only allows reading: MLPCORE_STORE must name one that can be written to."),
    "42501": N_("The user in MLPCORE_STORE may not write to the database of the runs: grant it the right to do so."),
    "53100": DISK_IS_FULL,
    "53300": NO_CONNECTION_FREE,
    "55P03": DATABASE_IS_LOCKED,
    "57P": UNREACHABLE,
}
# PostgreSQL gives no code for a connection that failed; the first text that is in its message counts
_FAILED_CONNECTIONS = {
    "too many clients": NO_CONNECTION_FREE,
    "connection slots": NO_CONNECTION_FREE,
    "the database system is": UNREACHABLE,  # starting up, or shutting down
    "FATAL": N_(
        "The database of the runs refuses the connection: check the user, the password and the name of the database in "
        "MLPCORE_STORE."
    ),
    "": UNREACHABLE,
}
_OTHER_DATABASE_ERROR = N_("The database of the runs could not be used ({error}): the server's log has the details.")


class StoreError(RuntimeError):
    """The database cannot be read or written. Its sentence says what to do, and names no path and no address."""

    def __init__(self, template: str, **values: Any) -> None:
        self.sentence = Sentence(template, values)
        super().__init__(str(self.sentence))


def explain_database_error(error: BaseException) -> StoreError:
    """Turn an error of the database's driver into one for people."""
    return StoreError(_find_database_error(error) or _OTHER_DATABASE_ERROR, error=type(error).__name__)


def _find_database_error(error: BaseException) -> str | None:
    if name := getattr(error, "sqlite_errorname", None):
        return _SQLITE_ERRORS.get(name.split("_")[1])
    if code := getattr(error, "sqlstate", None):
        return next((text for begin, text in _POSTGRESQL_ERRORS.items() if code.startswith(begin)), None)
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if "psycopg.OperationalError" in names:  # by its name: the driver need not be installed
        return next(text for part, text in _FAILED_CONNECTIONS.items() if part in str(error))
    return None


def unknown_run(run_id: str) -> SentenceError:
    """Say that there is no such run."""
    return SentenceError("There is no run {run_id!r}: it may have been deleted.", run_id=run_id)
