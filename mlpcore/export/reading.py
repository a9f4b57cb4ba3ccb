"""Read JSON files that people bring, strictly: a file that is not ours or damaged is refused in one sentence."""

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mlpcore.export import messages
from mlpcore.messages import SentenceError
from mlpcore.recipes.validation import shorten

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_BYTES = 30_000_000  # of a file: 1,000 runs of 60 evaluations are 28 MB
MAX_KEYS = 100  # per object: a million unknown keys would make a million errors, 2 GB
DEEPEST = 6  # parts of a damaged place that are named


STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)  # of each part of a file

Read = TypeVar("Read", bound=BaseModel)


def read_file(data: bytes, kind: type[Read], *, form: str, version: int, not_ours: str) -> Read:
    """Read a file of that kind.

    Args:
        form: What such a file calls itself, near its beginning.
        version: The newest that is read.
        not_ours: What to say of another kind of file.

    Raises:
        SentenceError: It is of another kind or version, too large or damaged.
    """
    if len(data) > MAX_BYTES:
        raise SentenceError(messages.LARGE_FILE, size=len(data) / 1e6, most=MAX_BYTES / 1e6)
    try:
        json.loads(data, object_pairs_hook=_refuse_many)
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid" or f'"{form}"'.encode() not in data[:200]:
            raise SentenceError(not_ours) from error
        if first["loc"] == ("version",):
            raise SentenceError(messages.OTHER_VERSION, version=version) from error
        raise _name_place(first) from error
    except (ValueError, RecursionError) as error:  # not JSON, nested too deeply, or an object of too many names
        raise SentenceError(not_ours) from error


def _refuse_many(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > MAX_KEYS:
        raise ValueError(f"an object of {len(pairs):,} names")


def _name_place(first: "ErrorDetails") -> SentenceError:
    # below a message, pydantic also names the types that it might have been
    places = first["loc"][: first["loc"].index("message") + 1 if "message" in first["loc"] else DEEPEST]
    where = ".".join(shorten(str(part)) for part in places)
    reason = first.get("ctx", {}).get("error")
    if isinstance(reason, SentenceError) and "where" in reason.sentence.values:
        return SentenceError(reason.sentence.template, where=where)
    return SentenceError(messages.DAMAGED, where=where)
