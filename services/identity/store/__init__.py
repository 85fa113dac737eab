"""The identity service's tables, as one transaction of one tenant sees them.

`evidence` and `decisions` are what was seen and decided, `rules` by what it is judged, `resolved` what came of it, and
`waiting` what is yet to be judged; `IdentityStore` in `tenant` reads and writes them for the resolver and for queries.
"""
