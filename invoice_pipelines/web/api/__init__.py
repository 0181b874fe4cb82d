"""The resources of an organization, one module each: what is asked for is given to a domain, and what it says is
answered.
"""
