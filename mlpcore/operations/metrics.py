"""What Prometheus reads of a server: figures about runs, speed and memory, and nothing about anybody."""

import hmac
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import RunStatus
from mlpcore.runs.shared import shared_store

if TYPE_CHECKING:
    from mlpcore.jobs.load import Load

__all__ = ["CONTENT_TYPE", "is_admitted", "write_metrics"]


def is_admitted(authorization: str) -> bool:
    """Return whether a request with this Authorization header may read the figures.

    Only one that bears the token of MLPCORE_METRICS_TOKEN, if that is set.
    """
    token = os.environ.get("MLPCORE_METRICS_TOKEN")
    return not token or hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def write_metrics(load: "Load | None") -> bytes:
    """Write the figures in Prometheus' text format.

    load: What this process does; None before it has done anything.
    """
    registry = CollectorRegistry()
    registry.register(_Figures(load))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, load: "Load | None") -> None:
        self._load = load

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _measure_store()
        load = self._load
        queued = load.runs.get(RunStatus.QUEUED, 0) if load else 0
        yield GaugeMetricFamily("mlpcore_queue_length", "Runs that wait in this process.", queued)
        speed = load.steps_per_second if load else 0.0
        yield GaugeMetricFamily("mlpcore_steps_per_second", "Iterations of all runs that train in this process.", speed)
        delay = load.storing_delay if load else 0.0
        text = "The most seconds that something measured may have waited to be stored."
        yield GaugeMetricFamily("mlpcore_storing_delay_seconds", text, delay)
        used = GaugeMetricFamily("mlpcore_memory_used_bytes", "Taken by runs and images.", labels=["device"])
        budget = GaugeMetricFamily("mlpcore_memory_budget_bytes", "For runs and images.", labels=["device"])
        for device, memory in (load.memory if load else {}).items():
            used.add_metric([device], memory.used)
            budget.add_metric([device], memory.budget)
        yield used
        yield budget


def _measure_store() -> Iterator[GaugeMetricFamily]:
    """Count the stored runs of all servers; say only that the store does not answer, if so."""
    runs = GaugeMetricFamily("mlpcore_runs", "Stored runs, of all servers on this database.", labels=["status"])
    try:
        counts = shared_store().count_by_status()
    except StoreError:
        yield GaugeMetricFamily("mlpcore_store_up", "Whether the database can be read.", 0)
        return
    yield GaugeMetricFamily("mlpcore_store_up", "Whether the database can be read.", 1)
    for status in RunStatus:
        runs.add_metric([status], counts.get(status, 0))
    yield runs
