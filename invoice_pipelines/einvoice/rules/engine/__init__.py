"""How rules are asked: one walk over a document, and declarations that are compiled into quick tests."""
