"""Report pages: one HTML file that needs no other, and the same run's figures as JSON."""

from vitrine.report.page import Neighbours, Page, Tile
from vitrine.report.writing import render, write

__all__ = ["Neighbours", "Page", "Tile", "render", "write"]
