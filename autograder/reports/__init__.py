"""Renderings of a result: pure functions, one file per output."""
