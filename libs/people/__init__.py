"""Who an interaction is about: from identifiers as producers send them to the key that everything is filed under.

    Claimed ── normalise, screen ──▶ Identified (with its 16-byte key) ── the strongest ──▶ anchor
                     └─────────────▶ Refused (with its reason; the others still count)

`identifiers` says what may name somebody and how strongly; `normalise` gives a value one spelling; `screen` refuses
values that name nobody; `keys` turns the rest into keys under the tenant's secret; `anchor` puts these together;
`compose` makes identifiers of several. Whose an identifier is, is known by `identity_map`, and by `spans` which part of
it, where it is not all one person's.
All of it is pure but for `postgres_identity_map`: no lookup, no clock, the same answer in every process; a key is the
same in every release.
"""
