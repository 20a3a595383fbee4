"""The figures that we claim, each a ratio measured in one run on one machine."""
