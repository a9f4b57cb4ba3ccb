"""Whom the server listens to, read from the system's own table of sockets."""

from pathlib import Path

import pytest

from tests.support.servers import serving

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"
THIS_MACHINE = "0100007F"  # 127.0.0.1, as Linux writes it


def find_listening(port: int) -> list[str]:
    """The addresses at which something listens at a port, in the table's letters."""
    rows = [line.split() for table in TABLES if table.exists() for line in table.read_text().splitlines()[1:]]
    found = [row[1].rpartition(":") for row in rows if row[3] == LISTENING]
    return [address for address, _, number in found if int(number, 16) == port]


@pytest.mark.skipif(not TABLES[0].exists(), reason="reads the table of sockets that Linux keeps")
def test_only_this_machine_can_reach_a_server_that_was_told_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path / "server", data=tmp_path / "data") as server:
        assert find_listening(server.port) == [THIS_MACHINE]
    assert find_listening(server.port) == []
