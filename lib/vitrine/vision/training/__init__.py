"""Metric learning: pictures with labels in, weights out that put alike things near each other."""
