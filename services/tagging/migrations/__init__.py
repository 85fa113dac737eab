"""Migrations of the tagging service's database."""

from pathlib import Path
from typing import Final

SCRIPTS: Final = Path(__file__).parent
