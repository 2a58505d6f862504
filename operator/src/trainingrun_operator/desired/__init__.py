"""Builders of a run's children: pure functions from a spec to a manifest."""
