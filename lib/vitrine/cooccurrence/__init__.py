"""Recommendations from the clickstream: cleaned events, pairs counted in sessions, measures, lists."""
