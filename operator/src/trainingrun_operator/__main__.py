"""The operator process: settings from the environment, then watch and work until SIGTERM.

Exits with 0 after SIGTERM or SIGINT, with 78 where settings are wrong, and with 1 where a part died or
another one took over: Kubernetes then starts it again, which is safe at any moment.
"""

import asyncio
import logging
import os
import sys
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, ProcessCollector

from trainingrun_api import names
from trainingrun_operator import handlers, logs, metrics_page, probe
from trainingrun_operator.cluster import USER_AGENT
from trainingrun_operator.controller import Controller
from trainingrun_operator.errors import NoCredentialsError
from trainingrun_operator.informer import Informer
from trainingrun_operator.settings import Settings, SettingsError

log = logging.getLogger(__name__)


def main() -> int:
    """Entry point of the console script."""
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        print(f"trainingrun-operator: {error}", file=sys.stderr)
        return names.EXIT_BAD_CONFIG
    logs.configure(settings.log_format, settings.log_level)
    log.info("%s starts with %s", USER_AGENT, settings.model_dump())
    try:
        asyncio.run(operate(settings))
    except NoCredentialsError as error:
        log.critical("no way to the API server: %s", error)
        return names.EXIT_BAD_CONFIG
    except Exception:
        log.critical("a part of the operator died", exc_info=True)
        return 1
    log.info("stopped")
    return 0


async def operate(settings: Settings) -> None:
    """Runs all parts until the watch ends; the death of one part ends the others."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    informer = Informer()
    controller = Controller(settings, informer, registry, wall_clock)
    server = metrics_page.serve(settings.metrics_port, registry, controller.series)
    try:
        async with asyncio.TaskGroup() as parts:
            await controller.wait_for_definition()
            # The loops come first: kopf ends every task that was started after itself.
            loops = [parts.create_task(loop) for loop in controller.loops()]
            async with probe.answered(settings.health_port, controller.problems):
                await handlers.watch(settings, controller.seen)
            for loop in loops:
                loop.cancel()
    finally:
        controller.stop()
        server.shutdown()
        server.server_close()


def wall_clock() -> datetime:
    """The time; everything else is told it."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


if __name__ == "__main__":
    sys.exit(main())
