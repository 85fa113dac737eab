"""How good identities are, measured where the truth is known: `make quality`.

It needs data and libraries of its own, which it installs into .venv-quality; `make test` does without.
"""
