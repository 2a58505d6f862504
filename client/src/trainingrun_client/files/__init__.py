"""Files of PersistentVolumeClaims, brought to this machine and from it through a pod that mounts the claim.

The way of a call: `volume` (what callers see) -> `claims`, `placing`, `helper_pod`: a pod beside the claim ->
`transfer`: the loop that goes on after lost connections, with `download` or `upload` as its direction ->
`pieces`: what one command moves -> `shell` and `commands`: what runs in the pod -> `executing`: one command
over the API server. `paths`, `listing` and `sources` check, read and gather names, `checksums` compares the
two sides, `reporting` is what a caller is told meanwhile.
"""

from trainingrun_client.files.claims import create_claim
from trainingrun_client.files.listing import Entry, Kind
from trainingrun_client.files.reporting import Progress, Silent
from trainingrun_client.files.volume import Summary, Volume, volume_of

__all__ = ["Entry", "Kind", "Progress", "Silent", "Summary", "Volume", "create_claim", "volume_of"]
