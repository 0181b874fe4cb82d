"""Names of the database roles. Who may do what is decided here and in the migrations, nowhere else."""

OWNER = "invoice_pipelines_owner"
"""Owns schemas, tables and functions; used by migrations only. Row-level security is forced on it as well."""

APP = "invoice_pipelines_app"
"""Does all work; neither superuser nor bypassrls, so it sees the rows of the organization in scope and no others."""

BOOKS = "invoice_pipelines_books"
"""Owns the `security definer` functions that write the books (issued invoices, numbers, payments and their events), and
is the only role that may. It may also do what the application may, since issuing an invoice ends its item of work and
puts documents into their queue; row-level security is forced on it as well. Nobody can log in as it.
"""

OVERVIEW = "invoice_pipelines_overview"
"""Owns the few `security definer` functions that look across organizations; nobody can log in as it."""

RECORDER = "invoice_pipelines_recorder"
"""Owns the triggers that write history and events, and may add to these and look up what they name, nothing else.
Nobody can log in as it.
"""

ACCOUNTS = "invoice_pipelines_accounts"
"""Owns the `security definer` functions of accounts, and is the only role that sees how passwords and credentials are
stored; nobody can log in as it.
"""

WEB = "invoice_pipelines_web"
"""The login of the web: it has the rights of the application, in the one organization that the credential of the
request may enter (accounts/admission.sql), and can become no other role. PostgreSQL tells it by `session_user`.
"""

DAGSTER = "invoice_pipelines_dagster"
"""Owns Dagster's own database on the embedded server."""
