"""Check the sentences of a refusal: short, printable, free of jargon, and one of them names the field."""

from collections.abc import Iterable

from hypothesis import strategies as st

from tests.support.bad_values import FIELDS, HYPERPARAMETERS, Field, wrong_values

LONGEST = 400  # characters of a sentence
JARGON = ("Input should", "type=", "pydantic", "Field required", "Value error", "Extra inputs", "Traceback")


def check_sentences(sentences: Iterable[object], field: Field | None = None) -> None:
    """Check that there are sentences, all short, printable and in our own words, and that one names the field."""
    said = [str(sentence) for sentence in sentences]
    assert said
    assert all(0 < len(sentence) < LONGEST for sentence in said), said
    assert not [sentence for sentence in said for word in JARGON if word in sentence]
    assert [sentence.encode() for sentence in said]
    assert field is None or any(field.is_named(sentence) for sentence in said), (field, said)


wrong_fields = st.sampled_from(FIELDS).flatmap(lambda field: st.tuples(st.just(field), wrong_values(field)))
wrong_hyperparameters = st.sampled_from(HYPERPARAMETERS).flatmap(
    lambda field: st.tuples(st.just(field), wrong_values(field))
)
