"""`trainingrun-train import-config`: configurations of the systems that this trainer succeeds.

sources: a file -> plain values; Python is parsed, never run. forms: what each value of each system becomes,
as tables. conversion: the values of a form -> a valid TrainingRun, with a word on all that was dropped.
command: the command line.
"""
