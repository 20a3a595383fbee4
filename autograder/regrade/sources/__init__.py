"""Cohorts: where submissions come from.

A source is a folder, or one archive of at most 32 MiB, in one of the layouts that platforms hand
out; which one is recognised by what lies in it. Reading yields one entry after another and never
holds more than one submission. What is wrong with one submission is that entry's error; what is
wrong with the source as a whole is an InputError.
"""

from autograder.regrade.sources.layout import Layout
from autograder.regrade.sources.source import Source, open_source

__all__ = ["Layout", "Source", "open_source"]
