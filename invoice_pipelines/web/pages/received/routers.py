"""The pages of received invoices. Those with a name of their own come before that of any invoice."""

from __future__ import annotations

from invoice_pipelines.web.pages.received import exports, figures, invoice, listing, uploading

ROUTERS = (listing.router, uploading.router, figures.router, exports.router, invoice.router)
