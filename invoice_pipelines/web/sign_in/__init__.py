"""How people get in: with a password, by the link of an invitation, by an OIDC provider. The routes of this folder are
the only ones that need no credential.
"""
