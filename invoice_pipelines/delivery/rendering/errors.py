"""The error of a template that cannot be used: it names file and line."""

from __future__ import annotations

from invoice_pipelines.delivery.values import DeliveryError


class TemplateError(DeliveryError):
    """A template file is broken, or what it makes. `file` is its name in the bundle, `line` counts from 1."""

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        where = f"{file}, line {line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message)
        self.file = file
        self.line = line
        self.message = message

    def __reduce__(self) -> tuple[type[TemplateError], tuple[str, str | None, int | None]]:
        return TemplateError, (self.message, self.file, self.line)  # it comes back from other processes
