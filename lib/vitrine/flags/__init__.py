"""From a command line to the settings tree, and from the tree to its help and its tables."""

from vitrine.flags.ending import exit_code
from vitrine.flags.loading import load
from vitrine.flags.manual import settings_table
from vitrine.flags.tree import HOMES, short, walk

__all__ = ["HOMES", "exit_code", "load", "settings_table", "short", "walk"]
