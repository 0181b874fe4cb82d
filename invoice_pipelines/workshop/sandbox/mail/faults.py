"""In which ways a mail server can go wrong, by the moment at which it does, with answers as servers word them."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong with a connection or a message."""

    CLOSE_AT_CONNECT = "CLOSE_AT_CONNECT"
    """The connection is closed without a greeting."""
    BUSY = "BUSY"
    """421 instead of the greeting."""
    AUTH_FAILED = "AUTH_FAILED"
    AUTH_BUSY = "AUTH_BUSY"
    SENDER_REFUSED = "SENDER_REFUSED"
    """553 at MAIL."""
    NO_SPACE = "NO_SPACE"
    """452 at MAIL."""
    CLOSING = "CLOSING"
    """421 at MAIL, and the connection is closed: what an idle connection gets."""
    UNKNOWN_RECIPIENT = "UNKNOWN_RECIPIENT"
    """550 5.1.1 at RCPT."""
    RELAY_DENIED = "RELAY_DENIED"
    """554 5.7.1 at RCPT."""
    MAILBOX_BUSY = "MAILBOX_BUSY"
    """450 at RCPT."""
    MAILBOX_FULL = "MAILBOX_FULL"
    """552 5.2.2 at RCPT."""
    GREYLIST = "GREYLIST"
    """450 at RCPT until `seconds` have passed since the first attempt for that sender and recipient."""
    DROP_AT_RECIPIENT = "DROP_AT_RECIPIENT"
    """The connection is lost at RCPT."""
    DROP_IN_DATA = "DROP_IN_DATA"
    """The connection is lost instead of the go-ahead (354) for the message."""
    DATA_REFUSED = "DATA_REFUSED"
    """554 instead of the go-ahead."""
    LOCAL_ERROR = "LOCAL_ERROR"
    """451 after the message."""
    TOO_LARGE = "TOO_LARGE"
    """552 5.3.4 after the message."""
    SPAM = "SPAM"
    """554 5.7.1 after the message."""
    SHUT_DOWN = "SHUT_DOWN"
    """421 after the message, which is not kept."""
    GARBLED = "GARBLED"
    """After the message, which is kept, an answer that is none."""
    DROP_BEFORE_ACCEPT = "DROP_BEFORE_ACCEPT"
    """The connection is lost after the message, which is not kept."""
    DROP_AFTER_ACCEPT = "DROP_AFTER_ACCEPT"
    """The connection is lost after the message, which is kept."""
    HANG_AFTER_ACCEPT = "HANG_AFTER_ACCEPT"
    """No answer, until the client gives up, to a message that is kept."""
    SLOW = "SLOW"
    """The message is kept, and the answer comes after `seconds`."""
    BOUNCE = "BOUNCE"
    """The message is accepted, and a report of its failure goes to its sender."""
    DELAY_REPORT = "DELAY_REPORT"
    """The message is accepted, and a report of a delay goes to its sender."""


AT_CONNECT = (Fault.CLOSE_AT_CONNECT, Fault.BUSY)
AT_AUTH = (Fault.AUTH_FAILED, Fault.AUTH_BUSY)
AT_MAIL = (Fault.SENDER_REFUSED, Fault.NO_SPACE, Fault.CLOSING)
AT_RECIPIENT = (
    Fault.UNKNOWN_RECIPIENT,
    Fault.RELAY_DENIED,
    Fault.MAILBOX_BUSY,
    Fault.MAILBOX_FULL,
    Fault.GREYLIST,
    Fault.DROP_AT_RECIPIENT,
)
AT_DATA = (Fault.DROP_IN_DATA, Fault.DATA_REFUSED)
AFTER_DATA = (
    Fault.LOCAL_ERROR,
    Fault.TOO_LARGE,
    Fault.SPAM,
    Fault.SHUT_DOWN,
    Fault.GARBLED,
    Fault.DROP_BEFORE_ACCEPT,
    Fault.DROP_AFTER_ACCEPT,
    Fault.HANG_AFTER_ACCEPT,
    Fault.SLOW,
    Fault.BOUNCE,
    Fault.DELAY_REPORT,
)
KEPT = (
    Fault.GARBLED,
    Fault.DROP_AFTER_ACCEPT,
    Fault.HANG_AFTER_ACCEPT,
    Fault.SLOW,
    Fault.BOUNCE,
    Fault.DELAY_REPORT,
)
"""Those after which the message is there."""

ANSWERS = {
    Fault.SENDER_REFUSED: "553 5.7.1 <{address}>: Sender address rejected: not owned by user {user}",
    Fault.NO_SPACE: "452 4.3.1 Insufficient system storage",
    Fault.CLOSING: "421 4.4.2 {host} Error: timeout exceeded",
    Fault.UNKNOWN_RECIPIENT: "550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table",
    Fault.RELAY_DENIED: "554 5.7.1 <{address}>: Relay access denied",
    Fault.MAILBOX_BUSY: "450 4.2.0 <{address}>: Recipient address rejected: mailbox busy",
    Fault.MAILBOX_FULL: "552 5.2.2 <{address}>: Mailbox full",
    Fault.GREYLIST: "450 4.7.1 <{address}>: Recipient address rejected: Greylisted, try again later",
    Fault.DATA_REFUSED: "554 5.5.1 Error: no valid recipients",
    Fault.LOCAL_ERROR: "451 4.3.0 Error: queue file write error",
    Fault.TOO_LARGE: "552 5.3.4 Error: message file too big",
    Fault.SPAM: "554 5.7.1 Message rejected as spam",
    Fault.SHUT_DOWN: "421 4.3.2 {host} Service shutting down",
    Fault.GARBLED: "what was that?",
}
