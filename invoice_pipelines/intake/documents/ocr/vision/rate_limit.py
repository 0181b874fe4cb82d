"""How often a service with a quota is asked: so many pictures per minute, by all processes of a user
on a machine.

Several machines share no file: give each its part of the quota.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from hashlib import sha256
from pathlib import Path

_NOT_PLAUSIBLE = 3600.0
"""Nobody reserves so far ahead, in seconds: the clock was set back."""


class RateLimit:
    """Hands out when pictures may be sent. Over any minute these are `per_minute` and those of one request more."""

    def __init__(self, service: str, per_minute: int, folder: Path | None = None) -> None:
        self._seconds_each = 60.0 / per_minute
        self._folder = folder or Path(tempfile.gettempdir()) / f"invoice-pipelines-{os.getuid()}"
        self._path = self._folder / f"rate-{sha256(service.encode()).hexdigest()[:16]}"

    def reserve(self, pictures: int, within: float) -> float | None:
        """In how many seconds so many pictures may be sent; None, and nothing reserved, where that is too late.

        Raises OSError where the file that is shared cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.is_symlink() or self._folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{self._folder} is another user's; remove it, or set TMPDIR")
        # The lock is the kernel's: a killed process holds none.
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            free_at = _as_time(file.read())
            starts_at = free_at if now < free_at <= now + _NOT_PLAUSIBLE else now
            if starts_at - now > within:
                return None
            file.seek(0)
            file.truncate()
            file.write(repr(starts_at + pictures * self._seconds_each))
            return starts_at - now


def _as_time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # new, or cut off by a kill in between
