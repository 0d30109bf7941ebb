"""Judging recommendations on what happened next: protocols, lists of measures, and their fitting."""
