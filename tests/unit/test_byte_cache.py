"""ByteCache: it stays within its bytes, forgets what was used least recently, and computes a value once."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, strategies as st

from mlpcore.byte_cache import ENTRY_BYTES, ByteCache

ROOM = 3 * (ENTRY_BYTES + 10)


def read(cache: ByteCache, key: str, computed: list[str], *, size: int | None = 10) -> str:
    def compute() -> str:
        computed.append(key)
        return key.upper()

    return cache.get(key, compute, size=lambda _value: size)


def test_what_was_used_least_recently_goes_first() -> None:
    cache, computed = ByteCache(ROOM), list[str]()
    for key in "abcadb":
        assert read(cache, key, computed) == key.upper()
    assert computed == ["a", "b", "c", "d", "b"]


def test_only_what_is_kept_is_found_and_counts_as_used() -> None:
    cache, computed = ByteCache(ROOM), list[str]()
    assert cache.find("a") is None
    for key in "abc":
        read(cache, key, computed)
    assert cache.find("a") == "A"
    read(cache, "d", computed)
    assert [cache.find(key) for key in "abcd"] == ["A", None, "C", "D"]


@given(sizes=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2 * ROOM)), max_size=50))
def test_it_never_keeps_more_than_its_bytes(sizes: list[tuple[int, int]]) -> None:
    cache = ByteCache(ROOM)
    for key, size in sizes:
        cache.get(key, partial(bytes, size), size=len)
        assert 0 <= cache.bytes <= ROOM


@pytest.mark.parametrize("size", [None, ROOM])
def test_what_is_too_large_or_must_not_be_kept_is_computed_each_time(size: int | None) -> None:
    cache, computed = ByteCache(ROOM), list[str]()
    for _ in range(2):
        assert read(cache, "a", computed, size=size) == "A"
    assert computed == ["a", "a"]
    assert cache.bytes == 0


def test_a_value_that_two_threads_want_is_computed_once() -> None:
    cache, computed = ByteCache(ROOM), list[str]()
    begun, may_end = threading.Event(), threading.Event()

    def compute() -> str:
        begun.set()
        assert may_end.wait(30)
        computed.append("a")
        return "A"

    def want() -> None:
        cache.get("a", compute, size=len)

    threads = [threading.Thread(target=want) for _ in range(2)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert computed == ["a"]


def test_a_value_that_could_not_be_computed_is_computed_by_the_next_who_asks() -> None:
    cache = ByteCache(ROOM)

    def fail() -> str:
        raise ValueError("no")

    compute: list[Callable[[], str]] = [fail, lambda: "A"]
    with pytest.raises(ValueError, match="no"):
        cache.get("a", compute[0], size=len)
    assert cache.get("a", compute[1], size=len) == "A"
