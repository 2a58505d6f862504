"""`make demo`: from a bare machine to a trained model on the test cluster, step by step.

`__main__` runs the steps in order, `install` and `steps` are what they do, `live` shows the run while it
trains, `report` says what came of it, and `failure` collects what explains a step that failed. `local` is
`make demo-local`, the same run without a cluster.
"""
