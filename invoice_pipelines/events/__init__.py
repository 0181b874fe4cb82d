"""What changed in an organization, for its programs: a feed that they read from a cursor on, and webhooks.

Events are written by triggers alone, in the transaction of the change: see change_capture.sql. What a program may hear
of is in `values`.
"""
