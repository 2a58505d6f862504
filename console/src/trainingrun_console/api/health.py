"""Probes of the kubelet."""

from fastapi import APIRouter

from trainingrun_console.api.asking import Service
from trainingrun_console.api.description import problems
from trainingrun_console.api.models import Health

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> Health:
    """Answers as long as the event loop turns."""
    return Health(status="ok")


@router.get("/readyz", summary="Whether the database answers", responses=problems(503))
def readyz(service: Service) -> Health:
    """503 while the history cannot be read."""
    service.history.run("readiness")
    return Health(status="ok")
