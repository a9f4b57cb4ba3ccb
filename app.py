"""The server: start it with `streamlit run app.py`, from any folder."""

import asyncio
import gc
import gzip
import importlib
import os
import re
import secrets
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import distribution, version
from pathlib import Path
from time import monotonic

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

OWNER_COOKIE = "mlp_owner"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 random bytes in base 64
PAGES = Path(__file__).resolve().parent / "pages"
KOREAN_FONT = "noto-sans-kr-korean.woff2"
FIRST_MODULES = ("pages.components.run.settings", "pages.components.lessons.builder", "pages.components.run.insight")
STORE_PATIENCE = 5.0  # seconds between two tries to open the database
FIRST_PAGE = 20.0  # seconds at most in which the first page has the processor to itself
ONE_YEAR = 365 * 24 * 3600  # seconds
PLOTLY = f"assets/plotly-{version('plotly')}.min.js"
FRAMED_BY = os.environ.get("MLPCORE_FRAMED_BY", "").split()  # sites that may show the app in a frame
IMMUTABLE = {"cache-control": f"public, max-age={ONE_YEAR}, immutable"}  # for addresses whose content never changes
# Streamlit needs inline scripts to start, eval for its table schemas, and blobs to import components. The page loads
# nothing from other hosts, sends nothing to them and cannot be framed by them, unless MLPCORE_FRAMED_BY names them.
CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": " ".join(["'self'", *FRAMED_BY]),
}
SECURITY_HEADERS = {
    "content-security-policy": "; ".join(f"{kind} {sources}" for kind, sources in CONTENT_SECURITY_POLICY.items()),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
} | ({} if FRAMED_BY else {"x-frame-options": "SAMEORIGIN"})
# A browser keeps cookies of a page in another site's frame only if they are Secure, and there apart from all others.
SAME_SITE = "SameSite=None; Secure; Partitioned" if FRAMED_BY else "SameSite=Lax"


class ResponseHeaders:
    """Middleware that adds SECURITY_HEADERS to every response, and the owner's cookie to every page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
                    headers.append("set-cookie", _owner_cookie(request))
                    headers.append("link", f"<{PLOTLY}>; rel=preload; as=script")  # most pages draw a chart
                cookies = headers.getlist("set-cookie")
                del headers["set-cookie"]
                for cookie in cookies:  # also Streamlit's own, without which a framed page cannot upload a file
                    headers.append("set-cookie", cookie.replace("SameSite=Lax", SAME_SITE))
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _owner_cookie(request: Request) -> str:
    """Build the cookie with a random token by which the server recognises the owner of a run.

    Each visit renews the cookie for another year.
    """
    token = request.cookies.get(OWNER_COOKIE, "")
    if not TOKEN.fullmatch(token):
        token = secrets.token_urlsafe(32)
    # a visitor who forges the header only restricts their own cookie, so any proxy may send it
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme).partition(",")[0].strip()
    secure = "; Secure" if scheme == "https" and not FRAMED_BY else ""
    return f"{OWNER_COOKIE}={token}; Path=/; Max-Age={ONE_YEAR}; HttpOnly; SameSite=Lax{secure}"


class PlotlyScript:
    """The installed plotly.min.js: 4.8 MB, and 1.5 MB once it is zipped, which takes 0.3 s."""

    def __init__(self) -> None:
        self._plain = Path(str(distribution("plotly").locate_file("plotly/package_data/plotly.min.js"))).read_bytes()
        self._zipped: bytes | None = None

    def zip(self) -> None:
        """Compress the script once."""
        self._zipped = gzip.compress(self._plain, 6, mtime=0)

    async def serve(self, request: Request) -> Response:
        """Serve the script, plain until it is zipped; its address names the version, so it is asked for once a year."""
        headers = IMMUTABLE | {"vary": "accept-encoding"}
        if self._zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self._zipped, media_type="text/javascript", headers=headers | {"content-encoding": "gzip"})
        # "identity" keeps Streamlit from compressing it
        return Response(self._plain, media_type="text/javascript", headers=headers | {"content-encoding": "identity"})


def korean_font(_request: Request) -> Response:
    """Serve the Korean letters of Noto Sans; a browser asks for them at the first Korean letter."""
    return FileResponse(PAGES / "fonts" / KOREAN_FONT, media_type="font/woff2", headers=IMMUTABLE)


async def metrics(request: Request) -> Response:
    """Tell Prometheus how the server does."""
    return await asyncio.to_thread(_measure, request.headers.get("authorization", ""))


def _measure(authorization: str) -> Response:
    from mlpcore.operations.metrics import CONTENT_TYPE, is_admitted, write_metrics
    from pages.components.shared.state import get_manager, manager_is_up

    if not is_admitted(authorization):
        return Response("The token of MLPCORE_METRICS_TOKEN is needed.", 401, {"www-authenticate": "Bearer"})
    load = get_manager().measure_load() if manager_is_up() else None
    return Response(write_metrics(load), media_type=CONTENT_TYPE)


async def healthz(_request: Request) -> Response:
    """Answer a health check."""
    return JSONResponse({"status": "ok"})


def _has_torch() -> bool:
    """Return whether a page has loaded torch: then it has been drawn."""
    from pages.components.shared.state import torch_is_loaded

    return torch_is_loaded()


def _warm_up(is_closing: threading.Event) -> None:
    gc.disable()  # it takes a quarter of the time of the imports
    try:
        for name in FIRST_MODULES:  # while the browser loads Streamlit
            importlib.import_module(name)
        begin = monotonic() + FIRST_PAGE
        while not is_closing.wait(0.2) and monotonic() < begin and not _has_torch():
            pass
        if is_closing.is_set():
            return
        plotly.zip()
        importlib.import_module("mlpcore.jobs.manager")
        importlib.import_module("torch._dynamo")  # else the first step of an optimizer imports it, 1 s
        # modules stay for good, so later collections need not walk them (175 ms each with torch loaded)
        gc.collect()
        gc.freeze()
    finally:
        gc.enable()
    _take_part(is_closing)


def _take_part(is_closing: threading.Event) -> None:
    """Go on with what dead servers left unfinished, and answer other servers, once the database can be used."""
    from mlpcore.runs.messages import StoreError
    from pages.components.shared.state import get_sweeps

    while not is_closing.is_set():
        try:
            get_sweeps()
            return
        except StoreError:  # every page says so
            is_closing.wait(STORE_PATIENCE)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Load what pages import, torch after the first page; at shutdown, let the manager mark its runs as interrupted."""
    is_closing = threading.Event()
    warm_up = threading.Thread(target=_warm_up, args=(is_closing,), name="warm-up", daemon=True)
    warm_up.start()
    yield
    is_closing.set()
    await asyncio.to_thread(_shut_down, warm_up)


def _shut_down(warm_up: threading.Thread) -> None:
    if "mlpcore.sweeps.manager" in sys.modules:
        importlib.import_module("mlpcore.sweeps.manager").shutdown()  # before the runs that it waits for
    if "mlpcore.jobs.manager" in sys.modules:  # else no run was started
        importlib.import_module("mlpcore.jobs.manager").shutdown()  # waits for a page that still imports it
    warm_up.join()  # a thread that is cut off while it imports torch would abort the process


def keep_values_from_timers() -> None:
    """Let timers, which rerun fragments, bring no values of widgets: what a person changes comes in its own message.

    Streamlit lets a timer bring all values, as the browser has them. Where it fires between a click and the message of
    that, both bring it, and a button acts twice. Where it fires before the browser has heard what a callback set in
    other widgets, it brings what they were, and undoes that.
    """
    take_in = ScriptRequests._request_rerun_locked

    def take_in_without_values(requests: ScriptRequests, asked: RerunData) -> bool:
        if asked.is_auto_rerun:
            # where another request waits, an empty list would replace its values; where none does, None would make
            # Streamlit skip what it does before each rerun
            is_first = requests._state is not ScriptRequestType.RERUN
            asked = replace(asked, widget_states=WidgetStates() if is_first else None)
        return take_in(requests, asked)

    ScriptRequests._request_rerun_locked = take_in_without_values  # type: ignore[assignment, method-assign]


keep_values_from_timers()
plotly = PlotlyScript()
base = (st.get_option("server.baseUrlPath") or "").strip("/")
prefix = f"/{base}" if base else ""
app = st.App(
    PAGES / "navigation.py",
    lifespan=lifespan,
    routes=[
        Route(f"{prefix}/healthz", healthz),
        Route(f"{prefix}/metrics", metrics),
        Route(f"{prefix}/{PLOTLY}", plotly.serve),
        Route(f"{prefix}/assets/{KOREAN_FONT}", korean_font),
    ],
    middleware=[Middleware(ResponseHeaders)],
)
