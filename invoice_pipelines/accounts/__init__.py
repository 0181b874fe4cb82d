"""People and programs: who they are, where they belong and what they may do there. Nothing of the web is known here.

What is decided is decided in PostgreSQL (`admission.sql`, `accounts.sql`); these modules ask it.
"""
