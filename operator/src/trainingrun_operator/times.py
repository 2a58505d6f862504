"""Timestamps as Kubernetes writes them: RFC 3339 in UTC with whole seconds."""

from datetime import UTC, datetime

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""RFC 3339 has no later day."""


def to_timestamp(moment: datetime) -> str:
    """Text of a moment; fractions of a second are cut off."""
    return moment.astimezone(UTC).strftime(FORMAT)


def from_timestamp(text: str | None) -> datetime | None:
    """Moment of a text with or without fractions, or None where there is none."""
    return datetime.fromisoformat(text) if text else None


def unix_timestamp(seconds: float | None) -> str | None:
    """Text of a Unix time; None where there is none, or none that RFC 3339 could write."""
    if seconds is None or seconds > LAST_MOMENT:
        return None
    return to_timestamp(datetime.fromtimestamp(seconds, UTC))


def seconds_between(earlier: datetime | None, later: datetime) -> float:
    """Seconds from one moment to another; infinite where the first is unknown."""
    return (later - earlier).total_seconds() if earlier else float("inf")


def human_duration(seconds: float) -> str:
    """A duration in at most two units, such as 4m10s, 2h05m or 3d04h."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{whole % 60:02d}s"
    return f"{whole}s"
