"""Grade hand-written gradients: a judge that student code can't touch, and suites that audit themselves."""

__version__ = "0.1.0"
