"""The built-in trainer: from a data volume to a trained, evaluated model.

`trainingrun-launch` starts one process a GPU; each of them is `trainingrun-train`, which reads a config,
prepares the data, trains, evaluates the best checkpoint and leaves everything in the run directory. It knows
no Kubernetes: what the operator needs leaves by exit code, metrics port and termination message
(docs/trainer-contract.md).
"""
