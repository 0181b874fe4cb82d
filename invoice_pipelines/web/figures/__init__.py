"""What Prometheus is told of an installation: its queues, runs, workers, documents and its database.

Each figure is cheap at any size: it comes from an index of what is open, from a counter, or from a table that has a row
for each organization at most. None names an organization.
"""
