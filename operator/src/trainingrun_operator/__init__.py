"""The TrainingRun operator: reconciles TrainingRun objects into Jobs and reports on them.

The way of a change: kopf's watch (`handlers`) -> a key on the work queue (`workqueue`) -> a snapshot
(`informer`, `observed`) -> a pure decision (`decide`, `policies`, `desired`) -> API calls (`reconciler`,
`cluster`).
"""
