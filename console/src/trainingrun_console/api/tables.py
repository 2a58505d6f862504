"""Epochs of a run, as JSON or as a table for a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response, StreamingResponse

from trainingrun_console.api import models
from trainingrun_console.api.asking import Service, VisibleRun
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.history.records import Epoch

router = APIRouter(tags=["epochs"])
MOST = 100_000
CSV = "text/csv; charset=utf-8; header=present"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would compute."""


class Form(StrEnum):
    """Of the answer."""

    JSON = "json"
    CSV = "csv"


@router.get(
    "/runs/{run_id}/metrics",
    summary="Epochs of a run",
    response_model=models.Epochs,
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": "epoch,train_loss\r\n1,0.61\r\n"}
            }
        },
        **problems(*COMMON, 404),
    },
)
def list_metrics(
    run: VisibleRun,
    service: Service,
    form: Annotated[Form, Query(alias="format", description="json, or csv (RFC 4180).")] = Form.JSON,
    after: Annotated[
        int, Query(description="Only epochs above this number.", ge=0, le=1_000_000_000, examples=[0])
    ] = 0,
    limit: Annotated[int, Query(description="Epochs of a page.", ge=1, le=MOST)] = MOST,
) -> Response:
    """Every epoch once, as in the run's metrics.json, in ascending order."""
    epochs = service.history.epochs(run.run_id, after=after, limit=limit)
    if form == Form.CSV:
        name = f'attachment; filename="{run.run_id}-metrics.csv"'
        return StreamingResponse(table(epochs), media_type=CSV, headers={"Content-Disposition": name})
    following = int(epochs[-1]["epoch"]) if len(epochs) == limit else None
    return JSONResponse({"run_id": run.run_id, "epochs": epochs, "next_after": following})


def table(epochs: Sequence[Epoch]) -> Iterator[str]:
    """Lines of RFC 4180; the first column is `epoch`. An epoch without a value has an empty field."""
    columns = list(dict.fromkeys(["epoch", *(name for epoch in epochs for name in epoch)]))
    buffer = io.StringIO()
    write = csv.writer(buffer)
    for row in (
        [cell(name) for name in columns],
        *([cell(each.get(name)) for name in columns] for each in epochs),
    ):
        write.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def cell(value: Any) -> Any:
    """A value as a spreadsheet may have it: a text that looks like a formula stays a text."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
