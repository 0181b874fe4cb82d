"""A Twilio of our own on this machine: as much of its REST API as sending messages and asking for them takes, over a
real socket, with the faults that the real one has.

`TwilioServer` runs it in a thread, `invoice-pipelines sandbox twilio` as a process.
"""

from invoice_pipelines.workshop.sandbox.twilio.faults import Fault
from invoice_pipelines.workshop.sandbox.twilio.messages import Sent
from invoice_pipelines.workshop.sandbox.twilio.server import TwilioServer

__all__ = ["Fault", "Sent", "TwilioServer"]
