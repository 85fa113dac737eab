"""A service that migrates and then cannot start."""

import sys

if __name__ == "__main__" and sys.argv[1:] != ["migrate"]:
    sys.exit("PORTRAIT_BROKEN_KEY is missing")
