"""The timers of a page, run by a test: list them, and let them fire."""

from functools import partial
from threading import Event

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest, local_script_runner

from pages.components.shared.heartbeat import SEEN_SECONDS
from tests.support.app_tests import shown


class Gate:
    """An event that loading waits for, and the number of calls that came to it."""

    def __init__(self) -> None:
        self.opened, self.came = Event(), 0


class Browser:
    """The browser's part: it remembers what the page asks for, and fires the timers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._sent: list[ForwardMsg] = []
        read = local_script_runner.LocalScriptRunner.forward_msgs

        def receive(runner: local_script_runner.LocalScriptRunner) -> list[ForwardMsg]:
            self._sent = read(runner)
            return self._sent

        monkeypatch.setattr(local_script_runner.LocalScriptRunner, "forward_msgs", receive)

    @property
    def timers(self) -> dict[str, float]:
        """The fragments of the page that a timer redraws, with the seconds between two of its ticks."""
        sent = [message.auto_rerun for message in self._sent if message.HasField("auto_rerun")]
        return {one.fragment_id: one.interval for one in sent}

    @property
    def waiting(self) -> list[str]:
        """The fragments that wait for something: all but the one that reports that the page is open."""
        return [part for part, seconds in self.timers.items() if seconds != SEEN_SECONDS]

    def tick(self, page: AppTest) -> AppTest:
        """Let every timer redraw its fragment once."""
        ask = partial(local_script_runner.RerunData, fragment_id_queue=list(self.timers), is_auto_rerun=True)
        with self._monkeypatch.context() as patch:
            patch.setattr(local_script_runner, "RerunData", ask)
            return shown(page.run())
