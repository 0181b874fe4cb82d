"""Which fifth of the documents one belongs to, where each is judged by what was learned from the others."""

from __future__ import annotations

from zlib import crc32

FOLDS = 5


def fold_of(seller: str) -> int:
    """All documents of a seller belong to the same fold."""
    return crc32(seller.encode()) % FOLDS
