"""The pages of batch operations, for the application."""

from invoice_pipelines.web.pages.batch_operations import listing, one

ROUTERS = (listing.router, one.router)
