"""The chain of a timed run: each call's seed and key follow from nonce and earlier digests.

    seed 0 = H(nonce)        key i = H(nonce, i, seed i)        seed i+1 = H(nonce, i, digest i)

So the inputs of a call exist only once its predecessor's results do. Whoever knows the nonce and
the digests (the grader, afterwards) knows every seed and key. H is SHA-256, with a word for each
purpose in front.
"""

from __future__ import annotations

import hashlib

__all__ = ["DIGEST_BYTES", "NONCE_BYTES", "first_seed", "key_of", "next_seed", "seeds"]

NONCE_BYTES = 32
DIGEST_BYTES = 32

# Bound here, before any submission is imported: what student code puts into hashlib is not called.
_sha256 = hashlib.sha256


def first_seed(nonce: bytes) -> bytes:
    """The seed of the first call's inputs."""
    return _sha256(b"seed" + nonce).digest()


def next_seed(nonce: bytes, index: int, digest: bytes) -> bytes:
    """The seed of the inputs of call `index` + 1, from the digest of call `index`'s results."""
    return _sha256(b"next" + nonce + index.to_bytes(8, "little") + digest).digest()


def key_of(nonce: bytes, index: int, seed: bytes) -> bytes:
    """The key of the digest of call `index`'s results."""
    return _sha256(b"key" + nonce + index.to_bytes(8, "little") + seed).digest()


def seeds(nonce: bytes, digests: list[bytes]) -> list[bytes]:
    """The seed of every call of a chain with these digests."""
    found = [first_seed(nonce)]
    for index, digest in enumerate(digests[:-1]):
        found.append(next_seed(nonce, index, digest))
    return found[: len(digests)]
