"""Report pages: one HTML file that needs no other, and the same run's figures as JSON."""

from vitrine.report.page import Contest, Contestant, Curves, Neighbours, Page, Tile, TopList
from vitrine.report.writing import render, write

__all__ = ["Contest", "Contestant", "Curves", "Neighbours", "Page", "Tile", "TopList", "render", "write"]
