"""The channels by which people may send invoices, in their words."""

from __future__ import annotations

from invoice_pipelines.delivery.channels.channel import channels
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import PageCaller

_WORDS = {"email": N_("Email"), "sms": N_("SMS"), "whatsapp": N_("WhatsApp")}


def channel_choices(page: PageCaller) -> list[tuple[str, str]]:
    """Name and words of each channel that is installed; one of a plug-in has the title that it gives itself."""
    return [(found.name, page.gettext(_WORDS.get(found.name, found.title))) for found in channels()]
