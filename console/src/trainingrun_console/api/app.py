"""The service as one ASGI application: middleware, then the routers, and one form for whatever is refused."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version

from fastapi import FastAPI

from trainingrun_console.access import login
from trainingrun_console.access.headers import SecurityHeaders
from trainingrun_console.access.hosts import AllowedHosts
from trainingrun_console.access.limits import Callers, SizeLimits
from trainingrun_console.api import changes, experiments, files, health, logs, runs, tables
from trainingrun_console.api.description import DESCRIPTION, TAGS, described
from trainingrun_console.api.refusals import install
from trainingrun_console.console import Console
from trainingrun_console.live import sse, websocket
from trainingrun_console.page import views

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
PARTS = (health, runs, tables, logs, files, experiments, changes, login, sse, websocket, views)


def create_app(console: Console, *, lifespan: Lifespan | None = None) -> FastAPI:
    """The application of a service; `lifespan` starts and stops what runs beside it."""
    app = FastAPI(
        title="TrainingRun console",
        version=version("trainingrun"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.console = console
    app.state.callers = Callers(console.settings.requests_per_second)
    for part in PARTS:
        app.include_router(part.router)
    install(app)
    app.openapi = described(app)  # type: ignore[method-assign]
    # The last one is the first that a request meets.
    app.add_middleware(SizeLimits)
    app.add_middleware(AllowedHosts, allowed=console.settings.allowed_hosts)
    app.add_middleware(SecurityHeaders)
    return app
