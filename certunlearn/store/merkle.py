"""The tree over a log that only grows: RFC 6962, section 2.1 (Laurie, Langley and Kasper, 2013).

A leaf is hashed as SHA-256(0x00 | data), a node as SHA-256(0x01 | left | right), and a tree over n
leaves is split at the largest power of two below n.  Subtrees that are full never change again:
they are what a log keeps, and from them every root and every proof takes O(log n) or O(log^2 n)
hashes.

Guarantee: if SHA-256 has no collisions, `included` is True for one leaf alone at an index of a
tree with this root, and `consistent` only if the larger tree has the smaller one as its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

#: The root of a tree over nothing.
EMPTY = hashlib.sha256(b"").digest()

#: Returns the hash of the full subtree over leaves [index 2^level, (index + 1) 2^level).
Node = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    # 0x00 and 0x01 keep leaves and nodes apart: no leaf's data can pass for an inner node (second
    # preimages).
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(n: int) -> int:
    """Return the largest power of two smaller than n > 1."""
    return 1 << ((n - 1).bit_length() - 1)


def grown(node: Node, size: int, leaf: bytes) -> list[tuple[int, int, bytes]]:
    """Return the full subtrees (level, index, hash) that a leaf's hash completes at ``size``."""
    out, level, index, here = [(0, size, leaf)], 0, size, leaf
    # An odd index has a full sister on its left: together they fill their parent.
    while index % 2:
        here = node_hash(node(level, index - 1), here)
        level, index = level + 1, index // 2
        out.append((level, index, here))
    return out


def _subtree(node: Node, first: int, last: int) -> bytes:
    """Return MTH(D[first:last]) of a range that the splits of RFC 6962 lead to."""
    n = last - first
    if n & (n - 1) == 0:
        level = n.bit_length() - 1
        # first is a multiple of n: every split cuts off a power of two, the largest first.
        return node(level, first >> level)
    k = _split(n)
    return node_hash(_subtree(node, first, first + k), _subtree(node, first + k, last))


def root(node: Node, size: int) -> bytes:
    """Return the root of the tree over the first ``size`` leaves."""
    return _subtree(node, 0, size) if size else EMPTY


def inclusion(node: Node, index: int, size: int) -> list[bytes]:
    """Return the audit path of a leaf, from below: PATH(m, D[n]) of section 2.1.1.

    Raises
    ------
    ValueError
        If there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a log of {size}")
    path, first, last = [], 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        # The sister of the half in which the leaf lies.
        if index < middle:
            path.append(_subtree(node, middle, last))
            last = middle
        else:
            path.append(_subtree(node, first, middle))
            first = middle
    return path[::-1]


def consistency(node: Node, old: int, new: int) -> list[bytes]:
    """Return PROOF(old, D[new]) of section 2.1.2; empty for an empty or an equal tree.

    Raises
    ------
    ValueError
        If the old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a log of {new} entries does not begin with {old}")
    if old in (0, new):
        return []
    path, first, last, whole = [], 0, new, True
    while old < last:
        middle = first + _split(last - first)
        # The old tree ends in the left half: the right one is new as a whole.
        if old <= middle:
            path.append(_subtree(node, middle, last))
            last = middle
        else:
            path.append(_subtree(node, first, middle))
            first, whole = middle, False
    # Where the old tree is no subtree on the left edge its root is not known to the verifier.
    return ([] if whole else [_subtree(node, first, last)]) + path[::-1]


def included(leaf: bytes, index: int, size: int, path: list[bytes], head: bytes) -> bool:
    """Whether a path leads from a leaf's hash to a root: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, here = index, size - 1, leaf
    for sister in path:
        if not last:
            return False
        # A right child, or the last node of a level without a sister of its own: what comes stands
        # on its left.
        if at % 2 or at == last:
            here = node_hash(sister, here)
            while not at % 2 and at:
                at, last = at >> 1, last >> 1
        else:
            here = node_hash(here, sister)
        at, last = at >> 1, last >> 1
    return not last and here == head


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> bool:
    """Whether a proof shows that one tree begins with another: RFC 9162, section 2.1.4.2."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and old_root == (EMPTY if not old else new_root)
    # A full old tree is a node of the new one, and stands for itself.
    path = path if old & (old - 1) else [old_root, *path]
    if not path:
        return False
    at, last = old - 1, new - 1
    # Up to the largest full subtree with which the old tree ends.
    while at % 2:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for sister in path[1:]:
        if not last:
            return False
        if at % 2 or at == last:
            # What lies on the left is in both trees; what lies on the right in the new one alone.
            before, after = node_hash(sister, before), node_hash(sister, after)
            while not at % 2 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, sister)
        at, last = at >> 1, last >> 1
    return not last and before == old_root and after == new_root
