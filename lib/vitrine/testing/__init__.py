"""Fakes that keep the contracts of the real things, for the tests of this project and of its users."""

from vitrine.testing.embedder import FakeEmbedder
from vitrine.testing.store import MemoryStore

__all__ = ["FakeEmbedder", "MemoryStore"]
