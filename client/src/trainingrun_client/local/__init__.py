"""Runs on this machine, without a cluster: the same manifest, the same trainer, the same run directory.

The way of a call: `backend` (as `trainingrun_client.backend` says) -> `volumes` (paths of the pods become
paths of this machine), `ground` (whether a run may fill its directory), `environment` (torchrun's, as the
operator sets it), `processes` (the launcher,
detached) -> `state` (what outlives the client) -> `reading` and `status` (what the operator would report).
It needs Linux and the trainer's libraries.
"""

from trainingrun_client.local.backend import LocalBackend

__all__ = ["LocalBackend"]
