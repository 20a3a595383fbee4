"""Grading whole cohorts: where submissions come from, and what is said about all of them."""
