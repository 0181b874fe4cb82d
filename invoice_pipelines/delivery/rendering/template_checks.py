"""Template files are tried before they are used: with samples of all kinds, within a time limit."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from multiprocessing.connection import Connection as Pipe

from invoice_pipelines.billing.issued_invoices import DocumentKind
from invoice_pipelines.delivery.rendering.bundle import TemplateBundle
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.language.catalogues import languages
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines.delivery.rendering.samples import sample_invoice

TIME_LIMIT_SECONDS = 60.0


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
    """The samples, made in a process of its own that is ended after so many seconds. Raises TemplateError."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_make_samples, args=(sending, bundle, look), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(time_limit):
            raise TemplateError(f"the samples took more than {time_limit:.0f} seconds")
        result = receiving.recv()
    except EOFError:
        raise TemplateError("the process that made the samples died") from None
    finally:
        process.kill()
        process.join()
        receiving.close()
    if isinstance(result, TemplateError):
        raise result
    made: dict[str, bytes] = result
    return made


def _make_samples(sending: Pipe, bundle: TemplateBundle, look: Look) -> None:
    try:
        result: dict[str, bytes] | TemplateError = samples(bundle, look)
    except TemplateError as error:
        result = TemplateError(error.message, error.file, error.line)
    sending.send(result)
