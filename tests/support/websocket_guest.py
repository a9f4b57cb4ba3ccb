"""A browser tab without a browser: a client of Streamlit's WebSocket protocol, cheap enough to open fifty."""

import asyncio
import re
from collections.abc import Mapping
from http.client import HTTPConnection
from time import monotonic
from types import TracebackType
from urllib.parse import urlsplit

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

SECONDS = 60  # within which a page is drawn, on a busy machine
PRESENCE_SECONDS = 30  # a timer this slow reports that the page is open, and ticks for as long as it is
NOTHING: Mapping[str, str | float] = {}
OVER = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


class Guest:
    """One tab: `async with Guest(url) as guest` opens the page and does what Streamlit's code in the browser does.

    It keeps the cookies, the address and the cached messages, and reruns each fragment at the interval that the
    fragment asks for, one at a time. `errors` are those that a visitor would see.
    """

    def __init__(self, url: str, *, page: str = "") -> None:
        """page: its name in the address; by default the first page."""
        self._url, self._page_name = urlsplit(url), page
        self.query = self._url.query
        self.errors: list[str] = []
        self.ticks: list[float] = []  # seconds that each rerun of a fragment took
        self.sizes: list[int] = []  # bytes that each of them received
        self.timers: dict[str, float] = {}  # fragment: seconds between two ticks
        self._widgets: dict[str, tuple[str, str]] = {}  # key: kind and id
        self._page = ""
        self._kept: dict[str, tuple[ForwardMsg, int]] = {}  # hash: message, runs since it was last wanted
        self._runs_kept = 2
        self._received = 0  # bytes

    async def __aenter__(self) -> "Guest":
        cookies = await asyncio.to_thread(self._fetch_cookies)
        token = cookies.get("_streamlit_xsrf", "PLACEHOLDER_AUTH_TOKEN")
        self._socket: ClientConnection = await connect(
            f"ws://{self._url.netloc}{self._url.path.rstrip('/')}/_stcore/stream",
            origin=Origin(f"http://{self._url.netloc}"),
            subprotocols=[Subprotocol("streamlit"), Subprotocol(token)],
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
            max_size=None,
            proxy=None,
        )
        await self.run()
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._socket.close()

    @property
    def shown_run(self) -> str:
        """The id of the run in the address."""
        found = re.search(r"\brun=(\w+)", self.query)
        assert found, f"no run in the address: {self.query!r}"
        return found[1]

    @property
    def is_moving(self) -> bool:
        """Whether a part of the page is redrawn by a timer."""
        return any(interval < PRESENCE_SECONDS for interval in self.timers.values())

    async def run(self, *, fragment: str = "", click: str = "", values: Mapping[str, str | float] = NOTHING) -> float:
        """Rerun the page, or one fragment as its timer does; return the seconds it took.

        Args:
            click: The key of a button that is clicked.
            values: What the browser has in fields, lists and sliders over a list, by their keys.
        """
        asked = BackMsg()
        state = asked.rerun_script
        state.query_string, state.page_script_hash = self.query, self._page
        if not self._page:
            state.page_name = self._page_name
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        state.cached_message_hashes.extend(self._kept)
        state.context_info.url, state.context_info.locale = self._url.geturl(), "en-US"
        state.context_info.timezone, state.context_info.timezone_offset = "UTC", 0
        for key, value in values.items():
            kind, name = self._widgets[key]
            widget = state.widget_states.widgets.add(id=name)
            if isinstance(value, float):
                widget.double_value = value
            elif kind == "slider":
                widget.string_array_value.data.append(value)
            else:
                widget.string_value = value
        if click:
            state.widget_states.widgets.add(id=self._widgets[click][1], trigger_value=True)
        began = monotonic()
        async with asyncio.timeout(SECONDS):
            await self._socket.send(asked.SerializeToString())
            while not self._take(await self._socket.recv(decode=False)):
                pass
        return monotonic() - began

    async def watch(self, *, until: float) -> None:
        """Rerun each fragment at its interval, until that time of the monotonic clock or until no timer is left."""
        asked: dict[str, float] = {}
        try:
            while self.is_moving:
                now = monotonic()
                dues = [(asked.setdefault(name, now) + interval, name) for name, interval in self.timers.items()]
                due, fragment = min(dues)
                if due > until:
                    return
                await asyncio.sleep(max(due - now, 0))
                asked[fragment], received = monotonic(), self._received
                self.ticks.append(await self.run(fragment=fragment))
                self.sizes.append(self._received - received)
        except (ConnectionClosed, TimeoutError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _fetch_cookies(self) -> dict[str, str]:
        cookies: dict[str, str] = {}
        connection = HTTPConnection(self._url.netloc, timeout=SECONDS)
        try:
            for path in (f"{self._url.path}?{self._url.query}", "/_stcore/health", "/_stcore/host-config"):
                connection.request("GET", path, headers={"Accept": "text/html"})
                answer = connection.getresponse()
                answer.read()
                for line in answer.headers.get_all("set-cookie", []):
                    name, _, value = line.partition(";")[0].partition("=")
                    cookies[name] = value
        finally:
            connection.close()
        return cookies

    def _take(self, payload: bytes) -> bool:
        """Take in one message; return whether it says that the page is drawn."""
        self._received += len(payload)
        message = ForwardMsg.FromString(payload)
        if message.WhichOneof("type") == "ref_hash":
            message, _age = self._kept[message.ref_hash]
        if message.metadata.cacheable:
            self._kept[message.hash] = message, 0
        match message.WhichOneof("type"):
            case "new_session":
                self._page = message.new_session.page_script_hash
                self._runs_kept = message.new_session.config.max_cached_message_age or self._runs_kept
                if not message.metadata.run.fragment_ids:
                    self.timers.clear()
            case "delta":
                self._look_at(message.delta)
            case "auto_rerun":
                self.timers[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            case "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self.timers.pop(fragment, None)
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.errors.append("the page does not compile")
                self._forget(set(message.metadata.run.fragment_ids))
                return message.script_finished in OVER
        return False

    def _look_at(self, delta: Delta) -> None:
        element = delta.new_element
        match element.WhichOneof("type"):
            case "exception":
                self.errors.append(f"{element.exception.type}: {element.exception.message}")
            case "alert" if element.alert.format == Alert.ERROR:
                self.errors.append(element.alert.body)
            case "button" | "slider" | "text_input" | "number_input" | "selectbox" as kind:
                name: str = getattr(element, kind).id
                self._widgets[name.split("-", 2)[2]] = kind, name

    def _forget(self, fragments: set[str]) -> None:
        """Let go of what the last runs of the page, or of its own fragment, did not want again."""
        for key, (message, age) in list(self._kept.items()):
            if fragments and message.delta.fragment_id not in fragments:
                continue
            if age > self._runs_kept:
                del self._kept[key]
            else:
                self._kept[key] = message, age + 1
