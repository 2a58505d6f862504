"""What goes wrong with the history."""


class HistoryError(Exception):
    """The database cannot be used; the text says which, why, and what to do, and holds no password.

    A call that raised it has changed nothing. Once the database is back the next call works.
    """
