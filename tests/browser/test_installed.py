"""The wheel, installed: the app opens from any folder, and nothing but `mlpcore` and `mlp_playground` is importable."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import mlpcore
from tests.support.paths import ROOT
from tests.support.playground_clicks import SHORT, wait_for_points
from tests.support.servers import Server
from tests.support.visitors import WIDE, Visitor, button


def run(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it into a folder of its own, without the packages that it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=ROOT)
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, "--prefix", str(folder / "prefix"), str(wheel), folder=folder)
    return folder / "prefix"


def packages(installed: Path) -> Path:
    return next(installed.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Server]:
    variables = {"PYTHONPATH": str(packages(installed))}
    command = [str(installed / "bin/mlp-playground")]
    server = Server(tmp_path_factory.mktemp("elsewhere"), data=data, command=command, variables=variables)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_only_the_library_and_the_apps_folder_are_installed(installed: Path) -> None:
    names = {file.name for file in packages(installed).iterdir()}
    assert names == {"mlpcore", "mlp_playground", f"mlp_playground-{mlpcore.__version__}.dist-info"}


def test_every_file_of_the_app_is_installed(installed: Path) -> None:
    home = packages(installed) / "mlp_playground"
    files = [path.relative_to(ROOT) for path in (ROOT / "pages").rglob("*") if path.is_file()]
    ours = [file for file in files if "__pycache__" not in file.parts]
    assert len(ours) > 90
    assert [file for file in ours if not (home / file).is_file()] == []


def test_the_command_opens_the_app_and_a_run_trains(browser: Browser, server: Server) -> None:
    visitor = Visitor(browser.new_context(viewport=WIDE, locale="ko"), server)
    page = visitor.open(**SHORT)
    button(page, "start").click()
    wait_for_points(page, 6)
    expect(page.get_by_text("미니배치 손실").first).to_be_visible()
    visitor.leave()
    visitor.check()
