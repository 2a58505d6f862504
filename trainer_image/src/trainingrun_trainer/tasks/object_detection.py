"""Object detection: boxes, by torchvision's detectors."""

from trainingrun_trainer.data.detection import prepare
from trainingrun_trainer.models import predictors
from trainingrun_trainer.report import drawings
from trainingrun_trainer.tasks.detection import DetectionModule, results
from trainingrun_trainer.tasks.module import Task

TASK = Task(
    prepare=prepare,
    module=DetectionModule,
    results=results,
    pictures=drawings.detections,
    exportable=predictors.objects,
)
