"""The TrainingRun API: what a user may write, what the operator reports, and the words both sides share.

Everything that the operator and the trainer must agree on stands in this package and nowhere else: the spec
and status models, the condition reasons, the labels and environment variables, the metric names and the
message that a training pod leaves behind. It depends on pydantic alone, so both images can carry it.
"""

from trainingrun_api.spec import TrainingRunSpec
from trainingrun_api.status import TrainingRunStatus
from trainingrun_api.training import TrainingConfig

__all__ = ["TrainingConfig", "TrainingRunSpec", "TrainingRunStatus"]
