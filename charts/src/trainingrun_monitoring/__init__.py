"""What people look at, generated from the definitions of the metrics: `python -m trainingrun_monitoring`."""
