"""Grade hand-written gradients: a judge that can't be touched, suites that audit themselves."""

__version__ = "0.1.0"
