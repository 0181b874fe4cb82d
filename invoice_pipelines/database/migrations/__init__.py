"""Alembic migrations. Tables are made here; SQL functions and views stand in the `*.sql` files of their domain."""
