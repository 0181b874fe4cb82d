"""The `invoice-pipelines` command. Thin: each command calls the function that Dagster calls too.

Exit codes: 0 fine, 1 problems were found, 2 it could not run. An error is one line that says what to do.
"""
