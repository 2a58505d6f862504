"""`spec.restart` and `spec.deadlines`: what follows when an attempt ends too early, hangs or takes long."""

from typing import ClassVar

from pydantic import Field

from trainingrun_api.fields import MAX_SECONDS
from trainingrun_api.model import ApiModel, Rule
from trainingrun_api.rules import immutable


class Restart(ApiModel):
    """What follows when pods end before the run is complete; disruptions by the cluster are free."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            # The API server evaluates rules on the default, {}, before it fills in those of the fields.
            "!has(self.backoffSeconds) || self.backoffSeconds <= self.maxBackoffSeconds",
            "restart.backoffSeconds is above restart.maxBackoffSeconds: lower it, or raise maxBackoffSeconds",
            ".backoffSeconds",
        ),
        Rule(
            "!has(self.maxFailures) || self.maxFailures >= oldSelf.maxFailures",
            "spec.restart.maxFailures can be raised, but not lowered: create a run of another name, or "
            "delete this one first",
            ".maxFailures",
        ),
        *(
            immutable(field, "spec.restart")
            for field in ("backoffSeconds", "maxBackoffSeconds", "nodeLostSeconds")
        ),
    )

    max_failures: int = Field(
        3,
        ge=0,
        le=100,
        description="Failures and stalls in a row after which the run is Failed with the next one. A new "
        "checkpoint beyond the last failure makes the count zero again. Can be raised later.",
    )
    backoff_seconds: int = Field(
        10,
        ge=0,
        le=86400,
        description="Pause after the first failure, in seconds; doubles with each in a row.",
    )
    max_backoff_seconds: int = Field(300, ge=0, le=86400, description="Longest pause, in seconds.")
    node_lost_seconds: int = Field(
        60,
        ge=0,
        le=86400,
        description="How long an unreachable node may take to come back, in seconds, before its pods are "
        "given up and the run goes on elsewhere.",
    )


class Deadlines(ApiModel):
    """Times after which something is wrong."""

    startup_seconds: int = Field(
        1800,
        ge=1,
        le=MAX_SECONDS,
        description="From the creation of an attempt, or its admission by the queue, until all of its pods "
        "run.",
    )
    active_seconds: int | None = Field(
        None, ge=1, le=MAX_SECONDS, description="Time that the run may be Running in all. Default: no limit."
    )
    stall_seconds: int = Field(
        600,
        ge=5,
        le=MAX_SECONDS,
        description="Time without a step, a validated batch or other progress after which the pods are "
        "restarted.",
    )
