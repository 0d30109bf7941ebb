"""`vitrine serve`: search, recommendations and categories over HTTP, with a page."""

from vitrine.serve.application import application

__all__ = ["application"]
