"""The feature store: vectors by picture hash and model, so that no picture is embedded twice."""

from vitrine.features.known import Known, KnownHashes
from vitrine.features.parts import BUCKETS
from vitrine.features.store import FeatureStore, lookup
from vitrine.features.vectors import vector_column, vector_matrix

__all__ = ["BUCKETS", "FeatureStore", "Known", "KnownHashes", "lookup", "vector_column", "vector_matrix"]
