"""From a command line to the settings tree, and from the tree to its help and its tables."""

from vitrine.flags.ending import exit_code
from vitrine.flags.loading import load
from vitrine.flags.manual import settings_table
from vitrine.flags.tree import walk

__all__ = ["exit_code", "load", "settings_table", "walk"]
