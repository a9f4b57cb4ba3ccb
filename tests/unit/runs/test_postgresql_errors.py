"""What goes wrong with a PostgreSQL is said in a sentence, without a password or an address."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from sqlalchemy.engine import make_url

from mlpcore.runs.database.engine import CONNECTIONS
from mlpcore.runs.store import RunStore, StoreError
from tests.support.postgresql import Cluster
from tests.support.stores import evaluation, execute, run


@pytest.fixture
def store(postgresql_url: str) -> Iterator[RunStore]:
    with closing(RunStore(postgresql_url)) as store:
        yield store


def schema_of(store: RunStore) -> str:
    return str(store._engine.url.query["options"]).partition("=")[2]


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"port": 1}, "The database of the runs cannot be reached; it may be restarting"),
        ({"username": "nobody"}, "The database of the runs refuses the connection: check the user"),
        ({"database": "missing"}, "The database of the runs refuses the connection: check the user"),
    ],
)
def test_database_that_lets_nobody_in_is_said_without_its_password(
    postgresql_url: str, part: dict[str, str | int], sentence: str
) -> None:
    url = make_url(postgresql_url).set(password="hunter2").set(**part)  # type: ignore[arg-type]
    with pytest.raises(StoreError) as caught:
        RunStore(url.render_as_string(hide_password=False))
    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_database_without_a_free_connection_says_so_and_the_write_can_be_repeated(own_postgresql: Cluster) -> None:
    with closing(RunStore(own_postgresql.url)) as store:
        store.create_many([run()])
        store._engine.dispose()
        with own_postgresql.without_free_connections(), pytest.raises(StoreError, match="has no free connection"):
            store.update("a", evaluations=[evaluation(1)])
        store.update("a", evaluations=[evaluation(1)])
        assert store.get("a").evaluations == (evaluation(1),)


def test_pool_whose_connections_are_all_in_use_says_so(store: RunStore) -> None:
    with ExitStack() as taken:
        for _ in range(CONNECTIONS):
            taken.enter_context(store._read())
        with pytest.raises(StoreError, match="has no free connection"):
            store.count()


def test_table_that_another_program_keeps_locked_is_said_and_the_write_can_be_repeated(
    store: RunStore, postgresql: Cluster
) -> None:
    store.create_many([run()])
    with postgresql.connect(schema_of(store)) as other, other.transaction():
        other.execute("LOCK TABLE evaluations IN EXCLUSIVE MODE")
        with pytest.raises(StoreError, match="Another program keeps the database of the runs locked"):
            store.update("a", evaluations=[evaluation(1)])
        assert store.get("a").evaluations == ()  # reading goes on
    store.update("a", evaluations=[evaluation(1)])
    assert store.get("a").evaluations == (evaluation(1),)


def test_user_who_may_not_write_is_told_so(store: RunStore) -> None:
    may_read = f"CREATE ROLE reader; GRANT USAGE ON SCHEMA {schema_of(store)} TO reader; SET LOCAL ROLE reader"
    with pytest.raises(StoreError, match="may not write to the database of the runs"):  # which also undoes the rest
        execute(store, f"{may_read}; UPDATE runs SET note = 'x'")


def test_database_that_only_allows_reading_says_so(store: RunStore) -> None:
    with pytest.raises(StoreError, match="only allows reading"):
        execute(store, "SET TRANSACTION READ ONLY; UPDATE runs SET note = 'x'")
