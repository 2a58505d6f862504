"""Predictions of instance segmentation; see `detection`."""

from trainingrun_trainer.predicting.detection import ObjectPredictor

PREDICTOR = ObjectPredictor
