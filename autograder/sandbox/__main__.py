"""The zygote's entry: `python -P -s -B __main__.py`, started by `client.Sandbox`.

Loads its neighbours as a package of their own, so that neither the rest of autograder nor the
folder that holds it is importable in a process that student code will be forked from. This is why
the modules of this package import each other relatively.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    package = ModuleType("sandbox")
    package.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules["sandbox"] = package
    importlib.import_module("sandbox.zygote").main(sys.argv[1:])
