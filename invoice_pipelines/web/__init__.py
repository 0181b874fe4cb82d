"""The web: a REST API for programs and, later on it, pages for people.

`app` puts it together, `serving` runs it. A router of `api` declares routes by `routing` and enters an organization by
its `callers.Caller`; it holds no rules and no SQL of a domain.
"""
