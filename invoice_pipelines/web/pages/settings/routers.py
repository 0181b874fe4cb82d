"""All pages of the settings, for `app.PAGES`."""

from __future__ import annotations

from invoice_pipelines.web.pages.settings import forms, history, people, tokens

ROUTERS = (forms.router, people.router, tokens.router, history.router)
