"""What `docker compose up` would start, read without Docker: services, health, users, and the proxy's configuration."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.proxies import CONFIGURATION, Proxy, require_nginx
from tests.support.servers import Server

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = [name for name, service in SERVICES.items() if "build" in service]
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
GIVEN = {"POSTGRES_PASSWORD", "COOKIE_SECRET"}  # without which nothing starts


def instructions(name: str) -> list[str]:
    """Return the arguments of an instruction of the Dockerfile, each time it is there."""
    text = re.sub(r"\\\n", " ", DOCKERFILE)
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


class TestImage:
    def test_runs_as_a_user_without_rights(self) -> None:
        assert instructions("USER") == ["app"]
        assert "useradd" in instructions("RUN")[0]

    def test_says_whether_it_is_healthy(self) -> None:
        (check,) = instructions("HEALTHCHECK")
        assert "http://127.0.0.1:8501/healthz" in check

    def test_asks_only_registries_of_packages(self) -> None:
        commands = " ".join(instructions("RUN"))
        assert not re.search(r"\b(curl|wget|git|apt-get|npm)\b|https?://", commands)
        assert not instructions("ADD")
        assert "--torch-backend cpu" in commands

    def test_takes_what_the_app_needs_and_nothing_else(self) -> None:
        copied = {word for line in instructions("COPY") for word in shlex.split(line)[:-1]}
        assert copied == {
            "requirements*.txt",
            "app.py",
            "deploy/start.sh",
            ".streamlit/config.toml",
            "mlpcore",
            "pages",
        }
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
        assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
        assert "*" in ignored

    @pytest.mark.parametrize("name", re.findall(r'PACKAGES="(.*)"', DOCKERFILE)[0].split())
    def test_finds_every_list_of_packages(self, name: str) -> None:
        assert (ROOT / f"requirements-{name}.txt").is_file()

    def test_speaks_to_the_port_that_the_others_know(self) -> None:
        assert instructions("EXPOSE") == ["8501"]
        assert set(re.findall(r"app-\d:(\d+)", CONFIGURATION.read_text(encoding="utf-8"))) == {"8501"}


class TestServices:
    def test_are_two_servers_a_database_and_a_proxy(self) -> None:
        always = {name for name, service in SERVICES.items() if "profiles" not in service}
        assert always == {"app-1", "app-2", "database", "proxy"}

    def test_of_ray_start_only_when_asked_for(self) -> None:
        optional = {name: service for name, service in SERVICES.items() if "profiles" in service}
        assert {name: service["profiles"] for name, service in optional.items()} == {
            "ray-head": ["ray"],
            "ray-worker": ["ray"],
        }
        for service in optional.values():
            assert service["command"][:2] == ["ray", "start"]
            assert not [name for name in service["environment"] if "SECRET" in name or "STORE" in name]

    def test_each_has_a_check_of_its_health_and_starts_again(self) -> None:
        for name, service in SERVICES.items():
            assert "healthcheck" in service or name in ("app-1", "app-2"), name  # the image has theirs
            assert service["restart"] == "unless-stopped", name

    def test_each_starts_once_what_it_needs_is_healthy(self) -> None:
        for name, service in SERVICES.items():
            for other, condition in service.get("depends_on", {}).items():
                assert other in SERVICES, name
                assert condition["condition"] == "service_healthy", name
        assert set(SERVICES["proxy"]["depends_on"]) == {"app-1", "app-2"}
        assert set(SERVICES["app-1"]["depends_on"]) == {"database"}

    @pytest.mark.parametrize("name", OURS)
    def test_of_ours_have_no_rights_of_the_machine(self, name: str) -> None:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "user", "pid", "network_mode"} & SERVICES[name].keys()

    def test_none_runs_as_root(self) -> None:
        assert SERVICES["database"]["user"] == "postgres"
        assert SERVICES["proxy"]["image"].startswith("nginxinc/nginx-unprivileged:")

    def test_only_the_proxy_can_be_reached_from_outside(self) -> None:
        assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
            "proxy": ["80:8080", "443:8443"]
        }

    def test_what_must_last_lies_in_volumes(self) -> None:
        assert set(COMPOSE["volumes"]) == {"database", "images"}
        assert SERVICES["database"]["volumes"] == ["database:/var/lib/postgresql/data"]
        assert "images:/data/images" in SERVICES["app-1"]["volumes"]

    def test_nothing_starts_without_secrets_and_none_is_written_here(self) -> None:
        text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
        assert set(re.findall(r"\$\{(\w+):\?", text)) == GIVEN
        for name in GIVEN:
            assert f"{name}=" in DOCUMENT

    def test_servers_share_the_database_and_the_secret_of_cookies(self) -> None:
        first, second = (SERVICES[name]["environment"] for name in ("app-1", "app-2"))
        assert first == second
        assert first["MLPCORE_STORE"].startswith("postgresql+psycopg://")
        assert first["STREAMLIT_SERVER_COOKIE_SECRET"].startswith("${COOKIE_SECRET")

    def test_docker_reads_them_too(self) -> None:
        docker = ["docker", "compose"]
        if shutil.which("docker") is None or subprocess.run([*docker, "version"], capture_output=True).returncode:
            pytest.skip("Docker Compose is not installed")
        command = [*docker, "--file", str(ROOT / "compose.yaml"), "--profile", "*", "config", "--quiet"]
        done = subprocess.run(command, env=os.environ | dict.fromkeys(GIVEN, "x"), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_nginx_reads_the_proxys_configuration(tmp_path: Path) -> None:
    require_nginx()
    servers = [Server(tmp_path / name, data=tmp_path / "data") for name in ("one", "two")]
    said = Proxy(tmp_path / "proxy", servers).check()
    assert "test is successful" in said
    assert "[warn]" not in said
