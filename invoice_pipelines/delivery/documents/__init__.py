"""Documents of issued invoices: asked for in `requests`, made in bulk by `making` or one at once by `single`, kept in
`rows`; what a whole job becomes is in `bundles`.

A document never changes: making it anew from changed templates or settings is another version. How one is written is in
`writing`, which runs in the processes of `pool`.
"""
