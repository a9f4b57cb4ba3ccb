"""What a Ray cluster has, what a cohort reserves of it, and the process that is connected to it. No torch is needed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import mlpcore

HEAD_SECONDS = "20"  # for which the head may be silent
RAY_CPU, RAY_GPU = "ray cpu", "ray cuda"  # devices of a cluster, as its executor names them
LOOPBACK = ("localhost", "127.", "[::1]")


class Node(NamedTuple):
    """What a node has in all."""

    cpus: float
    gpus: float
    bytes: float


class Need(NamedTuple):
    """What a cohort reserves of a node."""

    cpus: int
    gpus: int
    bytes: int


def count_seats(nodes: Sequence[Node], threads: int) -> int:
    """Count the cohorts of so many threads that can train side by side."""
    return sum(int(node.cpus) // threads for node in nodes)


def choose_threads() -> int:
    """Choose the threads of a cohort: OMP_NUM_THREADS, or 1, with which a cluster computes most."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(wanted), 1) if wanted.isdecimal() else 1


class Driver(NamedTuple):
    """The process that is connected to the cluster, and this end of the pipe to it."""

    process: "subprocess.Popen[bytes]"
    pipe: Connection


def start_driver(threads: int) -> Driver:
    """Start a process that connects to the cluster."""
    ours, theirs = Pipe()
    with theirs:
        command = [sys.executable, "-m", "mlpcore.jobs.executors.ray_driver", str(theirs.fileno())]
        process = subprocess.Popen(
            command,
            env=build_environment(os.environ, threads),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the server, which then closes the pipe
        )
    return Driver(process, ours)


def build_environment(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """Build the environment of that process.

    Nothing is reported to Ray's makers. Ray takes a loopback address for one of this machine's own, unless it is told
    that it must not: then everything stays on loopback.
    """
    address = inherited.get("RAY_ADDRESS", "")
    own = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": str(threads)}
    if not address or address.startswith(LOOPBACK):
        own["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    paths = [str(Path(mlpcore.__file__).parents[1]), inherited.get("PYTHONPATH", "")]
    own["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {"RAY_gcs_rpc_server_reconnect_timeout_s": HEAD_SECONDS, **inherited, **own}
