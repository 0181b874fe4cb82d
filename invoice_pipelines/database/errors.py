"""Holds the base of all errors that say the database cannot be used as it is."""


class DatabaseError(Exception):
    """The database cannot be started, reached or made ready; the message says why and what to do."""
