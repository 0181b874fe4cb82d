"""All pages of the settings, for `app.PAGES`."""

from __future__ import annotations

from invoice_pipelines.web.pages.settings import datev, documents, forms, history, people, tokens, webhooks

ROUTERS = (forms.router, datev.router, people.router, tokens.router, webhooks.router, documents.router, history.router)
