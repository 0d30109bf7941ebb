"""Milvus: what rows look like, and how collections are made, filled, checked, swapped and searched."""
