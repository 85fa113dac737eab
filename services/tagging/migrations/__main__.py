"""`python -m services.tagging.migrations check` tells whether the tables are what the migrations make."""

import sys

from libs.devstack.drift import check
from services.tagging.migrations import SCRIPTS
from services.tagging.migrations.tables import metadata

if __name__ == "__main__":
    sys.exit(check("tagging", SCRIPTS, metadata))
