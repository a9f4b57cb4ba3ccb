"""What a refusal must be, whatever was refused: a sentence for people that names the field."""

from collections.abc import Iterable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.bad_values import FIELDS, KNOBS, Field, wrong_values

LONGEST = 400  # characters of a sentence
JARGON = ("Input should", "type=", "pydantic", "Field required", "Value error", "Extra inputs", "Traceback")


def cases(count: int) -> settings:
    """So many cases, the same ones every time: main is never red by chance."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def check_sentences(sentences: Iterable[object], field: Field | None = None) -> None:
    """What a person reads is there, short, printable and in our own words; one of them names the field."""
    said = [str(sentence) for sentence in sentences]
    assert said
    assert all(0 < len(sentence) < LONGEST for sentence in said), said
    assert not [sentence for sentence in said for word in JARGON if word in sentence]
    assert [sentence.encode() for sentence in said]
    assert field is None or any(field.is_named(sentence) for sentence in said), (field, said)


wrong_fields = st.sampled_from(FIELDS).flatmap(lambda field: st.tuples(st.just(field), wrong_values(field)))
wrong_knobs = st.sampled_from(KNOBS).flatmap(lambda field: st.tuples(st.just(field), wrong_values(field)))
