"""What the rest of the project needs of an accounting system, whichever it is: QuickBooks Online is the first.

`system` says what a system declares and does, `reports` what it tells of it, `systems` which ones there are. How one of
them is spoken to, and what of it is kept, belongs to the system's own package; nothing here knows any of them.
"""
