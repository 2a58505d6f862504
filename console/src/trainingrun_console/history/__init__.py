"""What stays of every run after its TrainingRun is deleted: the tables run and run_metrics, and beside them
the attempts and the events.

records: what goes in and comes out, plain data. store: the way in and out. reading, writing, retention: its
questions and changes in SQL. rows: records to rows of the tables and back. pages: cursors. database: a
connection by a URL. migrating, migrations: how the tables come to be.
"""
