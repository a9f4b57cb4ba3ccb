"""A pytest plugin that records which test executes which line of mlpcore, in any thread, and how long the test takes.

What a fixture of a whole module executes belongs to every test that uses the fixture. What runs at import or in other
processes is not recorded.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import coverage
import pytest

from tests.support.paths import ROOT

lines = coverage.Coverage(data_file=None, include=[str(ROOT / "mlpcore" / "*")])
lines.set_option("run:core", "ctrace")  # the other core notes a line only the first time that it is executed
seconds: defaultdict[str, float] = defaultdict(float)
shared: dict[str, list[str]] = {}  # the fixtures of each test that other tests have too


def pytest_runtestloop() -> None:
    lines.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Function) -> Iterator[None]:
    fixtures = (definitions[-1] for definitions in item._fixtureinfo.name2fixturedefs.values())
    shared[item.nodeid] = [_name(fixture) for fixture in fixtures if fixture.scope != "function"]
    return (yield from _record(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> Iterator[None]:
    return (yield) if fixturedef.scope == "function" else (yield from _record(_name(fixturedef)))


def _name(fixture: pytest.FixtureDef) -> str:
    return f"{fixture.baseid}: {fixture.argname}"


def _record(name: str) -> Iterator[None]:
    """Count the lines and the time from here to the end as those of `name`."""
    before = lines.switch_context(name) or ""
    began = perf_counter()
    try:
        return (yield)
    finally:
        seconds[name] += perf_counter() - began
        seconds[before] -= perf_counter() - began
        lines.switch_context(before)


def pytest_sessionfinish() -> None:
    lines.stop()
    users = {name: [name] for name in shared}
    for test, fixtures in shared.items():
        for fixture in fixtures:
            users.setdefault(fixture, []).append(test)
    data = lines.get_data()
    executed = {
        str(Path(file).relative_to(ROOT)): {
            line: sorted({test for name in names for test in users.get(name, [])})
            for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    lasting = {test: seconds[test] + sum(seconds[fixture] for fixture in fixtures) for test, fixtures in shared.items()}
    Path(os.environ["EXECUTED_LINES"]).write_text(json.dumps({"seconds": lasting, "lines": executed}))
