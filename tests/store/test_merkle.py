"""The tree of the log: against RFC 6962 written out, its published vectors, and forgeries."""

import hashlib

import pytest

from certunlearn.store import merkle

#: Leaves and roots of the reference implementation's tests (google/certificate-transparency).
LEAVES = [
    bytes.fromhex(s)
    for s in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def written_out(leaves):
    """MTH as section 2.1 defines it."""
    if len(leaves) < 2:
        return merkle.leaf_hash(leaves[0]) if leaves else hashlib.sha256(b"").digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    both = written_out(leaves[:k]) + written_out(leaves[k:])
    return hashlib.sha256(b"\x01" + both).digest()


def tree(leaves):
    nodes = {}
    for size, leaf in enumerate(leaves):
        hashed = merkle.leaf_hash(leaf)
        for level, index, value in merkle.grown(lambda a, b: nodes[a, b], size, hashed):
            nodes[level, index] = value
    return lambda level, index: nodes[level, index]


def test_published_roots():
    node = tree(LEAVES)
    assert [merkle.root(node, n).hex() for n in range(1, 9)] == list(ROOTS)
    assert merkle.root(node, 0) == hashlib.sha256(b"").digest()


def test_every_inclusion_and_every_wrong_one():
    leaves = [bytes([i]) for i in range(35)]
    node = tree(leaves)
    for size in range(1, len(leaves) + 1):
        head = merkle.root(node, size)
        assert head == written_out(leaves[:size])
        for index in range(size):
            path, leaf = merkle.inclusion(node, index, size), merkle.leaf_hash(leaves[index])
            assert merkle.included(leaf, index, size, path, head)
            for other in range(size):
                assert merkle.included(leaf, other, size, path, head) == (other == index)
            assert not merkle.included(merkle.leaf_hash(b"x"), index, size, path, head)
            assert not merkle.included(leaf, index, size, [*path, head], head)
            assert not path or not merkle.included(leaf, index, size, path[:-1], head)
    assert not merkle.included(merkle.leaf_hash(leaves[0]), 35, 35, [], head)
    with pytest.raises(ValueError, match="no entry 35"):
        merkle.inclusion(node, 35, 35)


def test_every_consistency_and_every_wrong_one():
    leaves = [bytes([i]) for i in range(33)]
    node = tree(leaves)
    roots = [merkle.root(node, n) for n in range(34)]
    for new in range(34):
        for old in range(new + 1):
            path = merkle.consistency(node, old, new)
            assert merkle.consistent(old, roots[old], new, roots[new], path)
            if not 0 < old < new:
                continue
            assert not merkle.consistent(old, roots[old - 1], new, roots[new], path)
            assert not merkle.consistent(old, roots[old], new, roots[new - 1], path)
            for i in range(len(path)):
                bent = [*path[:i], bytes(32), *path[i + 1 :]]
                assert not merkle.consistent(old, roots[old], new, roots[new], bent)
            assert not merkle.consistent(old, roots[old], new, roots[new], [*path, bytes(32)])
            assert not merkle.consistent(old, roots[old], new, roots[new], path[:-1])
    assert not merkle.consistent(3, roots[3], 2, roots[2], [])
    with pytest.raises(ValueError, match="does not begin with"):
        merkle.consistency(node, 3, 2)


def test_a_rewritten_log_is_not_consistent():
    before, after = tree(LEAVES), tree([LEAVES[1], LEAVES[0], *LEAVES[2:]])
    proof = merkle.consistency(after, 5, 8)
    roots = merkle.root(before, 5), merkle.root(after, 8)
    assert not merkle.consistent(5, roots[0], 8, roots[1], proof)
