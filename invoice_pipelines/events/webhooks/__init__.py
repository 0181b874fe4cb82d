"""Webhooks: endpoints of programs, what they are told, signed as Standard Webhooks says, and each attempt."""
