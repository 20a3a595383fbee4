"""One name for one thing: modules can be reached through the modules that import them."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["canonical"]

# Modules that others import: `torch.functional.torch` is torch, `dataclasses.sys` is sys.
# Names that classes and functions have too (`code`, `trace`, `types`) are left out.
_RESTART = frozenset(
    "torch numpy sys os builtins ctypes importlib inspect pickle copyreg gc marshal subprocess "
    "operator functools multiprocessing runpy pkgutil".split()
)

_SYNONYMS = {
    "np": "numpy",
    "posix": "os",
    "nt": "os",
    "bltns": "builtins",
    "_operator": "operator",
    "_functools": "functools",
    "_pickle": "pickle",
    "_imp": "_imp",
}

_TORCH_SYNONYMS = {
    "F": "torch.nn.functional",
    "_C": "torch._C",
    "_VF": "torch._C",
    "_fft": "torch._C",
    "_linalg": "torch._C",
    "_nested": "torch._C",
    "_sparse": "torch._C",
    "_special": "torch._C",
    "dist": "torch.distributed",
    "mp": "multiprocessing",
    "prof": "torch.autograd.profiler",
    "windows": "torch.signal.windows",
}


@lru_cache(maxsize=4096)
def canonical(path: str) -> str:
    """The shortest well-known name for a dotted path outside the student's own code.

    `torch.functional.F.relu` is `torch.nn.functional.relu`, `random._os.system` is `os.system`.
    """
    parts = path.split(".")
    first = _SYNONYMS.get(parts[0], parts[0])
    found = [first]
    for part in parts[1:]:
        if found[0] == "torch" and part in _TORCH_SYNONYMS and _is_module_path(found):
            found = _TORCH_SYNONYMS[part].split(".")
            continue
        name = _SYNONYMS.get(part, part)
        if name in _RESTART:
            found = [name]
        elif name.startswith("_") and name.lstrip("_") in _RESTART:
            found = [name.lstrip("_")]
        elif part != "__call__":
            found.append(part)
    return ".".join(found)


def _is_module_path(found: list[str]) -> bool:
    """Whether a path is deep enough for an alias: torch.dist is a distance, and Tensor.dist too."""
    return len(found) > 1 and "Tensor" not in found[-1]
