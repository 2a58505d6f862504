"""Predictions of object detection; see `detection`."""

from trainingrun_trainer.predicting.detection import ObjectPredictor

PREDICTOR = ObjectPredictor
