"""A Ray cluster of three nodes on this machine's loopback, for tests that need one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

NODES = 3
NODE = {"num_cpus": 1, "memory": 2_000_000_000, "object_store_memory": 100_000_000, "node_ip_address": "127.0.0.1"}
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nothing but loopback
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    "MLPCORE_EXECUTOR": "ray",
}


@contextmanager
def running_cluster(monkeypatch: pytest.MonkeyPatch, nodes: int = NODES, **options: Any) -> "Iterator[Cluster]":
    """Run a cluster to which RAY_ADDRESS leads; skip the test without Ray, or fail it where MLPCORE_REQUIRE is set."""
    if find_spec("ray") is None:
        reason = "Ray is not installed: pip install -r requirements-ray.txt"
        if os.environ.get("MLPCORE_REQUIRE"):
            pytest.fail(reason)
        pytest.skip(reason)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    node = NODE | options
    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **node})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
    finally:
        cluster.shutdown()
