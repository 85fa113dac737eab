"""Portraits of parts of an anchor that does not all belong to one person.

An anchor that is cut keeps its ordinary snapshot, which knows of no cut, so that compaction, archives and rebuilds are
what they are. Beside it stand the states of its spans, folded by one cut and up to one position of the anchor's log. A
read of a span is its state and the anchor's tail, of which it takes its part; where the cut is another by now, or the
past was changed, it is the span's part of the whole log. So these states may be thrown away at any time.
"""
