"""What the rest of the project needs from any accounting system; QuickBooks Online is the first.

`system` says what a system declares and does, `reports` what it tells of it, `systems` which ones there are. How to
call one, and what is stored about it, belongs to its own package; nothing here knows any of them.
"""
