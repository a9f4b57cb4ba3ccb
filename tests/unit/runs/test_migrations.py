"""A database that is opened: made, brought up to date, or refused in a sentence and left as it was."""

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from mlpcore.runs import migrations
from mlpcore.runs.database import postgresql
from mlpcore.runs.database.engine import explained, one_at_a_time, open_engine, parse_url, writing
from mlpcore.runs.migrations import HEAD
from mlpcore.runs.records import Run, RunStatus, browser_owner
from mlpcore.runs.store import RunStore, StoreError
from mlpcore.runs.sweeps import StoredSweep, StoredTrial, SweepStatus
from tests.support.present import present
from tests.support.store_child import start_child
from tests.support.stores import RECIPE, count_rows, evaluation, execute, list_runs, run


class TestOpening:
    def test_home_is_where_the_environment_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "a" / "b"))
        RunStore().close()
        assert (tmp_path / "a" / "b" / "runs.sqlite3").is_file()

    def test_folder_that_cannot_be_created_gives_a_sentence_without_its_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "file" / "home"))
        with pytest.raises(StoreError, match="The folder of the runs cannot be created") as caught:
            RunStore()
        assert str(tmp_path) not in str(caught.value)

    def test_address_that_cannot_be_opened_gives_a_sentence_without_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot be opened: allow this program") as caught:
            RunStore(f"sqlite:///{tmp_path / 'missing' / 'runs.db'}")
        assert str(tmp_path) not in str(caught.value)

    def test_file_that_is_no_database_gives_a_sentence_and_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "runs.db").write_text("something else " * 100)
        with pytest.raises(StoreError, match="is not a database"):
            RunStore(f"sqlite:///{tmp_path / 'runs.db'}")
        assert (tmp_path / "runs.db").read_text() == "something else " * 100

    def test_environment_names_the_database(self, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLPCORE_STORE", store_url)
        with closing(RunStore()) as store:
            store.create_many([run()])
        with closing(RunStore(store_url)) as store:
            assert store.get("a") == run()

    @pytest.mark.parametrize("url", ["nonsense", "sqlite://", "mysql://user:hunter2@host/runs"])
    def test_environment_that_names_no_database_gives_a_sentence_without_its_password(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLPCORE_STORE", url)
        with pytest.raises(StoreError, match="MLPCORE_STORE is not the address of a database") as caught:
            RunStore()
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"])
    def test_database_in_memory_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="a SQLite database must be a file"):
            RunStore(url)

    @pytest.mark.parametrize("url", ["nonsense", "nosuchdatabase://user:hunter2@host/runs"])
    def test_address_of_no_known_database_is_refused_without_its_password(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^url ") as caught:
            RunStore(url)
        assert "hunter2" not in str(caught.value)

    def test_read_only_folder_gives_a_sentence(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'runs.db'}"
        with closing(RunStore(url)) as store:
            store.create_many([run()])
        for path in (tmp_path / "runs.db", tmp_path):
            path.chmod(path.stat().st_mode & 0o555)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("needs a user whom a read-only folder stops: not root")
        try:
            with pytest.raises(StoreError, match="allow this program to"), closing(RunStore(url)) as store:
                store.create_many([run("b")])
        finally:
            tmp_path.chmod(0o700)
        (tmp_path / "runs.db").chmod(0o600)
        with closing(RunStore(url)) as store:
            assert list_runs(store) == [run()]


TOKEN = "kQ0b9SmXo1Wn4sV3yYx2uT7rPzAeCjLdHfGiNtRw-_8"
KEPT = Run(
    "finished",
    "first try",
    RECIPE,
    RunStatus.FINISHED,
    1_700_000_000.25,
    owner=browser_owner(TOKEN),
    step=3,
    seconds=1.5,
    device="cpu",
    versions={"torch": "2.13.0"},
)


def write_database_of(version: int, file: Path) -> None:
    """Write the database that the program wrote when its schema had this version, two runs in it."""
    dump = Path(__file__).with_name("databases") / f"version_{version}.sql"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(dump.read_text(encoding="utf-8"))


class TestMigrations:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "runs.db"

    @pytest.mark.parametrize("version", range(1, 12))
    def test_database_of_every_earlier_version_opens_with_what_it_had(self, version: int, file: Path) -> None:
        write_database_of(version, file)
        kept = replace(KEPT, note="50 % — 한국어", starred=True) if version >= 2 else KEPT
        with closing(RunStore(f"sqlite:///{file}")) as store:
            finished, diverged = store.get("finished"), store.get("diverged")
            (listed,), _total = store.search(dataset="Shapes", optimizer="Adam", sort="best_acc")
            (theirs,) = list_runs(store, owner=browser_owner(TOKEN))
            store.create_many([run("new", evaluations=(evaluation(1),))])
            assert store.get("new") == run("new", evaluations=(evaluation(1),))
        assert replace(finished, evaluations=()) == kept
        assert theirs == kept
        assert (listed.run.id, listed.best_acc, listed.last_acc) == ("finished", 0.625, 0.5)
        assert [(one.step, one.train_loss, one.test_acc) for one in finished.evaluations] == [
            (1, 2.5, 0.25), (2, 1.25, 0.625), (3, 2.5 / 3, 0.5),
        ]  # fmt: skip
        later = ((3.5, 0.1), 2.0, 0.125) if version >= 2 else ((), None, None)
        first = finished.evaluations[0]
        assert (first.weight_norms, first.val_loss, first.val_acc) == later
        assert (first.gradient_norms, first.update_ratios, first.stuck_units) == ((), (), ())
        assert (diverged.status, diverged.traceback, diverged.owner) == (
            RunStatus.DIVERGED, "Traceback", "person:0123456789abcdef",
        )  # fmt: skip
        assert str(diverged.message) == "The loss left the range of numbers at step 1,200."
        assert diverged.continues == ("finished" if version >= 5 else "")

    def test_database_keeps_its_sweeps_and_quotas(self, file: Path) -> None:
        write_database_of(11, file)
        with closing(RunStore(f"sqlite:///{file}")) as store:
            kept, quota = store.sweeps.get("s"), store.people.get_quota("person:0123456789abcdef")
        trial = StoredTrial(0, '{"lr":0.1}', ("finished",), result='{"val_accs":[0.5]}')
        owner = "person:0123456789abcdef"
        assert kept == StoredSweep(
            "s", "a sweep", owner, 1_700_000_002.25, SweepStatus.FINISHED, '{"space":{}}', (trial,)
        )
        assert quota == 5e9

    def test_database_from_before_sweeps_keeps_them_from_now_on(self, file: Path) -> None:
        write_database_of(9, file)
        with closing(RunStore(f"sqlite:///{file}")) as store:
            assert store.sweeps.list_newest() == []
            sweep = StoredSweep("s", "a sweep", "me", 1.5, SweepStatus.RUNNING, "{}", (StoredTrial(0, "{}", ("a",)),))
            store.sweeps.create(sweep)
            assert store.sweeps.get("s") == sweep

    @pytest.mark.parametrize("version", range(1, 6))  # from the sixth on, tokens are hashed
    def test_database_of_an_earlier_version_keeps_no_token_of_a_browser(self, version: int, file: Path) -> None:
        write_database_of(version, file)
        assert TOKEN.encode() in file.read_bytes()
        RunStore(f"sqlite:///{file}").close()
        with closing(sqlite3.connect(file)) as database:
            owners = database.execute("SELECT owner FROM runs ORDER BY created").fetchall()
        assert owners == [(browser_owner(TOKEN),), ("person:0123456789abcdef",)]

    def test_words_with_braces_in_a_message_of_an_earlier_version_are_kept(self, file: Path) -> None:
        write_database_of(3, file)
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("UPDATE runs SET message = 'At {step}: 50 %.' WHERE id = 'diverged'")
            database.execute("UPDATE runs SET recipe = 'of another form' WHERE id = 'finished'")
        with closing(RunStore(f"sqlite:///{file}")) as store:
            assert str(store.get("diverged").message) == "At {step}: 50 %."
            assert store.count() == 2  # the unreadable one too

    def test_step_that_fails_leaves_the_database_as_it_was(self, file: Path) -> None:
        write_database_of(5, file)
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE INDEX runs_by_submission ON runs (name)")  # which a later step makes too
            before = list(database.iterdump())
        with pytest.raises(StoreError, match="could not be used"):
            RunStore(f"sqlite:///{file}")
        with closing(sqlite3.connect(file)) as database:
            assert list(database.iterdump()) == before

    def test_versions_from_before_alembic_find_a_newer_database(self, file: Path) -> None:
        write_database_of(9, file)
        RunStore(f"sqlite:///{file}").close()
        with closing(sqlite3.connect(file)) as database:
            steps = database.execute("SELECT number, name FROM schema_versions ORDER BY number").fetchall()
        assert steps[10:] == [(11, "keep_the_names_and_quotas_of_people"), (12, "managed_by_alembic")]


class TestRevisions:
    def test_newest_revision_is_the_one_that_the_program_expects(self) -> None:
        revisions = ScriptDirectory(str(Path(migrations.__file__).parent))
        assert revisions.get_heads() == [str(HEAD)]

    def test_only_what_may_be_missing_can_be_null(self, store_url: str) -> None:
        RunStore(store_url).close()
        engine = create_engine(store_url)
        columns = {name: inspect(engine).get_columns(name) for name in inspect(engine).get_table_names()}
        engine.dispose()
        nullable = {(table, column["name"]) for table in columns for column in columns[table] if column["nullable"]}
        assert nullable - {("deleted_runs", "run_id")} == {  # which is NULL nowhere: it is the primary key
            *(
                ("evaluations", name)
                for name in ("val_loss", "val_acc", "effective_lr", "avg_test_loss", "avg_test_acc")
            ),
            ("people", "quota"),
            ("runs", "best_acc"),
            ("runs", "last_acc"),
        }

    def test_database_that_is_up_to_date_opens_without_alembic(self, store_url: str) -> None:
        """It takes 0.15 s to import."""
        RunStore(store_url).close()
        script = "RunStore(sys.argv[1]).close(); print('alembic' in sys.modules)"
        with start_child(script, store_url) as child:
            assert present(child.stdout).read() == "False\n"

    def test_a_process_waits_while_another_one_migrates(
        self, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgresql, "BUSY_SECONDS", 0.05)  # for which it waits for another's lock otherwise
        engine = open_engine(parse_url(postgresql_url))
        with ThreadPoolExecutor(1) as pool:
            with writing(engine).begin() as connection:
                one_at_a_time(connection)
                opened = pool.submit(RunStore, postgresql_url)
                assert wait([opened], timeout=0.5).not_done
            opened.result().close()
        engine.dispose()

    def test_newer_database_gives_a_sentence_and_is_left_untouched(self, open_store: Callable[[], RunStore]) -> None:
        with closing(open_store()) as store:
            execute(store, f"UPDATE alembic_version SET version_num = '{HEAD + 1}'")
            before = count_rows(store, "schema_versions")
        with pytest.raises(StoreError, match=rf"newer version .*its schema is {HEAD + 1}, this one knows {HEAD}"):
            open_store()
        assert before == 12

    def test_newer_file_is_left_untouched(self, sqlite_url: str, tmp_path: Path) -> None:
        with closing(RunStore(sqlite_url)) as store:
            execute(store, f"UPDATE alembic_version SET version_num = '{HEAD + 1}'")
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        with pytest.raises(StoreError, match="newer version"):
            RunStore(sqlite_url)
        assert list(files) == ["runs.sqlite3"]
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files


def test_error_without_a_sentence_of_its_own_names_its_kind() -> None:
    engine = create_engine("sqlite://")
    with (
        engine.connect() as connection,
        pytest.raises(StoreError, match=r"could not be used \(OperationalError\)") as caught,
        explained(),
    ):
        connection.execute(text("SELECT nothing"))
    engine.dispose()
    assert caught.value.sentence.values == {"error": "OperationalError"}
