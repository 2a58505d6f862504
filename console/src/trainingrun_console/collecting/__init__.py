"""Fills the history from what the cluster tells, and asks the cluster no more than that takes.

The way of a change: `watching` follows TrainingRuns and Events -> `collector` queues the run by
`work_queue`, so that one worker at a time handles it, with what was heard as `news` -> `recording` brings the
history up to what is known -> the hub is told.

Where things come from: `observed` and `events` read objects; `lines` and `page` read what rank 0 tells, which
`rank_zero` fetches; `run_files` reads run directories; `merging` decides which account of an epoch counts.
`refill` fills a new history from run directories alone. All of it comes from pods and operators of any
version: `leniently` reads what has the expected form, and leaves the rest out.
"""
