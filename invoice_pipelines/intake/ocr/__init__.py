"""Reads pictures of pages: engines that recognize text, what they need done to a picture first, and what they read kept.

`engine` holds what every engine is; each engine has a module of its own.
"""
