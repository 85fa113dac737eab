"""People who may be one, for somebody to decide: suggestions never merge anybody by themselves.

    portraits ── candidate ──▶ people as far as they can be compared ── a Linker ──▶ pairs, field by field
                                                     (splink_linker or plain)              │ weighing
    accepted: a link, revocable ◀── somebody ◀── suggestions ◀── household, suggesting ◀── scores
    rejected: a forbidden pair

All of it but the Linkers' work is pure and small. Splink is an extra (`pip install portrait[linking]`); without it the
plain Linker compares what is spelled alike.
"""
