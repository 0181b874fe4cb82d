"""Template files are tried before they are used: with samples of all kinds, within a time limit."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from invoice_pipelines.billing.issued_invoices import DocumentKind
from invoice_pipelines.delivery.rendering.bundle import TemplateBundle
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.language.catalogue import languages
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines.delivery.rendering.samples import sample_invoice
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.processes import Child, ChildEnded, Receive, Send, serve

TIME_LIMIT_SECONDS = 60.0
AT_ONCE = 2
"""Processes that make samples at the same time, of one that serves many people."""
_LONGEST_WAIT = 20.0
_slots = threading.BoundedSemaphore(AT_ONCE)


class DrawingBusy(DeliveryError):
    """Too many samples are being made at this moment."""


def samples(bundle: TemplateBundle, look: Look) -> dict[str, bytes]:
    """Documents of all kinds in each language, by file name. Raises TemplateError."""
    renderer = Renderer(bundle, look)
    made = {}
    for language in languages(bundle):
        long = sample_invoice(language, lines=60, discount_percent=Decimal(5), note="One.\nTwo.")
        for name, invoice in {
            "invoice": sample_invoice(language),
            "many-pages": long,
            "abroad": replace(long, buyer=replace(long.buyer, country_code="FR"), lines=long.lines[:9]),
            "credit-note": sample_invoice(language, lines=2, kind=DocumentKind.CREDIT_NOTE),
        }.items():
            made[f"{name}-{language}.pdf"] = renderer.render(invoice, b"<sample/>", language=language).pdf
    return made


def not_accessible(made: Mapping[str, bytes]) -> list[str]:
    """The names of samples that cannot be read aloud as PDF/UA-1 asks; see renderer.STANDARDS."""
    return [name for name, pdf in made.items() if b"<pdfuaid:part>" not in pdf]


def check_bundle(bundle: TemplateBundle, look: Look, *, time_limit: float = TIME_LIMIT_SECONDS) -> dict[str, bytes]:
    """The samples, made in a process of its own that is ended after so many seconds. Raises TemplateError, and
    DrawingBusy as `ask_child`.
    """
    made: dict[str, bytes] = ask_child(__name__, (bundle, look), time_limit)
    return made


def ask_child(module: str, question: Any, time_limit: float) -> Any:
    """What a module makes of templates that may do anything, in a process of its own that is ended after so many
    seconds. Raises TemplateError, and DrawingBusy while others in this process ask for too much.
    """
    if not _slots.acquire(timeout=_LONGEST_WAIT):
        raise DrawingBusy("Too many samples are being made at this moment; try again.")
    try:
        child = Child(module)
        try:
            made = child.ask(question, time_limit)
        except ChildEnded as ended:
            took_long = f"the samples took more than {time_limit:.0f} seconds"
            raise TemplateError(took_long if ended.too_slow else "the process that made the samples died") from None
        finally:
            child.end()
    finally:
        _slots.release()
    if isinstance(made, TemplateError):
        raise made
    return made


def _answer(receive: Receive, send: Send) -> None:
    try:
        send(samples(*receive()))
    except TemplateError as error:
        send(error)


if __name__ == "__main__":
    serve(_answer)
