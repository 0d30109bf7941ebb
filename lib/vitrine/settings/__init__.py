"""Everything that can be set, for every program: one tree, a module for each kind of branch."""

from vitrine.settings.catalogue import Columns, Pictures
from vitrine.settings.milvus import Gates, Milvus
from vitrine.settings.model import Model
from vitrine.settings.section import Section
from vitrine.settings.tree import Features, Settings

__all__ = ["Columns", "Features", "Gates", "Milvus", "Model", "Pictures", "Section", "Settings"]
