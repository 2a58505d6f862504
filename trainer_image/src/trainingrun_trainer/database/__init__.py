"""The tables run and run_metrics: what stands in the run directory, for those who ask in SQL.

rows: the files of the run directory -> rows. tables: rows -> SQLite or PostgreSQL. mirror: when, and what
follows where the database cannot be reached.
"""
