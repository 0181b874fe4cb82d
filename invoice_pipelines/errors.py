"""The root of this project's exceptions. What each says belongs to the module that raises it."""


class InvoicePipelinesError(Exception):
    """Something cannot be done. The message is for people: it names what is wrong and, where it can, what to do."""
