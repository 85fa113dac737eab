"""`python -m services.profile.migrations check` tells whether the tables are what the migrations make."""

import sys

from libs.devstack.drift import check
from services.profile.migrations import SCRIPTS
from services.profile.migrations.tables import metadata

if __name__ == "__main__":
    sys.exit(check("profile", SCRIPTS, metadata))
