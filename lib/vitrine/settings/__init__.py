"""Everything that can be set, for every program: one tree, a module for each kind of branch."""

from vitrine.settings.catalogue import Columns, Pictures
from vitrine.settings.evaluate import Evaluate
from vitrine.settings.kafka import Kafka
from vitrine.settings.milvus import Gates, Milvus
from vitrine.settings.model import Model
from vitrine.settings.recommend import EventColumns, Recommend
from vitrine.settings.section import Section
from vitrine.settings.serve import Serve
from vitrine.settings.stream import Stream
from vitrine.settings.thumbnails import Thumbnails
from vitrine.settings.train import Lesson, Train
from vitrine.settings.tree import Features, Settings

__all__ = [
    "Columns",
    "Evaluate",
    "EventColumns",
    "Features",
    "Gates",
    "Kafka",
    "Lesson",
    "Milvus",
    "Model",
    "Pictures",
    "Recommend",
    "Section",
    "Serve",
    "Settings",
    "Stream",
    "Thumbnails",
    "Train",
]
