"""In which ways a request to Google Cloud Vision can go wrong, with the codes and the wording of the service."""

from __future__ import annotations

from enum import StrEnum

import grpc

BAD_PICTURE = 3
"""Of google.rpc.Code, for a single picture."""


class Fault(StrEnum):
    """What can go wrong with a request."""

    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    HANG = "HANG"
    """No answer until the client gives up."""
    DROP = "DROP"
    """The connection is lost before the pictures are read."""
    LOSE_ANSWER = "LOSE_ANSWER"
    """The connection is lost when the pictures are read, and billed."""
    SLOW = "SLOW"
    """The answer comes, after `slow_seconds`."""
    HALF_BAD = "HALF_BAD"
    """Each second picture, from the first, fails with code 3 while the others are answered; below, with other codes."""
    HALF_EXHAUSTED = "HALF_EXHAUSTED"
    HALF_INTERNAL = "HALF_INTERNAL"
    HALF_UNAVAILABLE = "HALF_UNAVAILABLE"
    HALF_DENIED = "HALF_DENIED"
    SHORT = "SHORT"
    """Answers are missing: those of `VisionSandbox.left_out`, or the last third, one at the least."""
    SHORT_IN_THE_MIDDLE = "SHORT_IN_THE_MIDDLE"
    """An answer is missing among the others."""
    EMPTY = "EMPTY"
    """All pictures are answered as if they were blank."""
    NO_CONFIDENCE = "NO_CONFIDENCE"
    """The answers say nothing of how sure they are."""


TRANSIENT = (
    Fault.RESOURCE_EXHAUSTED,
    Fault.UNAVAILABLE,
    Fault.INTERNAL,
    Fault.DEADLINE_EXCEEDED,
    Fault.HANG,
    Fault.DROP,
    Fault.HALF_EXHAUSTED,
    Fault.HALF_INTERNAL,
    Fault.HALF_UNAVAILABLE,
    Fault.SHORT,
    Fault.SHORT_IN_THE_MIDDLE,
)
"""After these another try succeeds, and nothing that was answered is lost."""

ABORTS = {
    Fault.RESOURCE_EXHAUSTED: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service "
        "'vision.googleapis.com' for consumer 'project_number:1'.",
    ),
    Fault.UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable."),
    Fault.INTERNAL: (grpc.StatusCode.INTERNAL, "Internal error encountered."),
    Fault.DEADLINE_EXCEEDED: (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline expired before operation could complete."),
    Fault.INVALID_ARGUMENT: (grpc.StatusCode.INVALID_ARGUMENT, "Request contains an invalid argument."),
    Fault.PERMISSION_DENIED: (
        grpc.StatusCode.PERMISSION_DENIED,
        "Cloud Vision API has not been used in project 1 before or it is disabled.",
    ),
    Fault.UNAUTHENTICATED: (
        grpc.StatusCode.UNAUTHENTICATED,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential.",
    ),
}
HALVES = {
    Fault.HALF_BAD: (BAD_PICTURE, "Bad image data."),
    Fault.HALF_DENIED: (7, "The caller does not have permission."),
    Fault.HALF_EXHAUSTED: (8, "Resource has been exhausted (e.g. check quota)."),
    Fault.HALF_INTERNAL: (13, "Internal server error. Unexpected feature response."),
    Fault.HALF_UNAVAILABLE: (14, "The service is currently unavailable."),
}
