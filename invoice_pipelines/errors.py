"""The root of this project's exceptions. What each says belongs to the module that raises it."""

from __future__ import annotations

import re
from typing import Any

_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class InvoicePipelinesError(Exception):
    """Something cannot be done. The message is for people at any door: it names what is wrong and, where it can, what
    to do.

    `code` is for programs, stable and in capitals: that of the class, which is its name unless it says otherwise, or a
    closer one. `hint` is what helps at the command line and nowhere else, such as "`batch list` shows them".
    """

    code: str = "ERROR"
    hint: str = ""

    def __init__(self, *arguments: object, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(*arguments)
        if code is not None:
            self.code = code
        if hint is not None:
            self.hint = hint

    @property
    def for_operators(self) -> str:
        """The message with the hint, for who has the command line at hand."""
        return f"{str(self).removesuffix('.')}; {self.hint}" if self.hint else str(self)

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "code" not in vars(cls):
            cls.code = _WORD_BEGINS.sub("_", cls.__name__.strip("_")).upper()
