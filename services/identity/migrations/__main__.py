"""`python -m services.identity.migrations check` tells whether the tables are what the migrations make."""

import sys

from libs.devstack.drift import check
from services.identity.migrations import SCRIPTS
from services.identity.migrations.tables import metadata

if __name__ == "__main__":
    sys.exit(check("identity", SCRIPTS, metadata))
