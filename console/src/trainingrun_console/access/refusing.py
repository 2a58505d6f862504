"""A problem as the answer of a middleware, which stands outside of the application's own handlers."""

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from trainingrun_console.api.problems import Problem


async def refuse(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answers an HTTP request or a WebSocket that is to be opened."""
    if scope["type"] == "http":
        await problem.response()(scope, receive, send)
    else:
        await WebSocket(scope, receive, send).send_denial_response(problem.response())
