"""Real faults on the real cluster, each at a chosen moment and rank, and what a run must make of them.

`python -m tests.chaos --help`. The table is data (table.py). The runner applies a run, waits for the moment
(moments.py), strikes (faults.py), follows the run to its end and compares what it left with an undisturbed
run (results.py); verdict.py says what does not hold, and report.py prints it all.
"""
