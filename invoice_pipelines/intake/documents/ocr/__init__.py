"""Reads pictures of pages: engines that recognize text, what is done to a picture first, and what was read is kept.

`engine` holds what every engine is; each engine has a module of its own.
"""
