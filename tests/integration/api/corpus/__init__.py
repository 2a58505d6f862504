"""TrainingRuns that the API server must refuse, and the words by which it must say so.

Each case is a JSON merge patch over a valid object, so that it shows the one thing that is wrong. `field` is
the path that the message must name; `words` is a part of the message that holds the remedy or the limit.
"""

from tests.integration.api.corpus.changes import ALLOWED, CHANGES, Change, existing
from tests.integration.api.corpus.config import CONFIG
from tests.integration.api.corpus.lifecycle import LIFECYCLE, POD
from tests.integration.api.corpus.mounts import CHECKPOINTS, ENVIRONMENT, VOLUMES
from tests.integration.api.corpus.objects import COMMAND, TRAINING, Invalid, merged
from tests.integration.api.corpus.spec import NAMES, RESOURCES, SPEC

__all__ = [
    "ALLOWED",
    "CHANGES",
    "COMMAND",
    "CONFIG",
    "INVALID",
    "TRAINING",
    "Change",
    "Invalid",
    "existing",
    "merged",
]

INVALID = [*NAMES, *SPEC, *RESOURCES, *ENVIRONMENT, *VOLUMES, *CHECKPOINTS, *CONFIG, *POD, *LIFECYCLE]
