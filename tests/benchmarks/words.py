"""Words of thirteen languages: softmax over hashed n-grams in files, one per cent forgotten.

``python -m tests.benchmarks.words --rows 3100000`` runs another size and prints it alone.  The
words are those of wordfreq (data CC BY-SA); without it, and in the small run, they are made up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from .memory import in_subprocess, status

LANGUAGES = ("ca", "cs", "de", "en", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "sv")
#: Columns that n-grams are hashed to.
COLUMNS = 512
SIZES = {"full": 3_100_000, "small": 3000}
#: With C = 1 three million words are refused: what rounding may do to a gradient summed over them,
#: divided by a penalty of 1, is more than the noise of a fit allows.
C = 0.01
#: One word in so many is kept for testing, and forgotten.
TEST, FORGOTTEN = 20, 100
PIECE = 1 << 16


def words(rows):
    """Return words (n,) and the language of each, shuffled."""
    try:
        if rows <= SIZES["small"]:
            raise ImportError
        from wordfreq import iter_wordlist
    except ImportError:
        return made_up(rows)
    found = [(word, code) for code in LANGUAGES for word in iter_wordlist(code, "large")]
    order = np.random.default_rng(0).permutation(len(found))[:rows]
    return [found[i][0] for i in order], np.array([found[i][1] for i in order])


def made_up(rows):
    """Words of letters that each language likes in its own way."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    taste = rng.dirichlet(np.full(26, 0.3), len(LANGUAGES))
    which = rng.integers(0, len(LANGUAGES), rows)
    texts = ["".join(rng.choice(letters, 7, p=taste[k])) for k in which]
    return texts, np.array(LANGUAGES)[which]


def hashed(texts):
    """Return n-grams of words as sparse rows of length one."""
    how = {"analyzer": "char_wb", "ngram_range": (1, 3), "alternate_sign": False}
    make = HashingVectorizer(n_features=COLUMNS, dtype=np.float32, norm="l2", **how)
    return make.transform(texts)


def life(folder):
    """Fit the rows of a folder, forget one in a hundred, and say what it took."""
    from certunlearn import CertifiedLogReg
    from certunlearn.scale import Shards

    folder, clock = Path(folder), time.process_time()
    rows, test = Shards(folder / "rows"), Shards(folder / "test")

    def accuracy(model):
        right = [model.predict(X) == y for X, y in test.pieces()]
        return float(np.concatenate(right).mean())

    model = CertifiedLogReg(mechanism="isotropic", C=C, random_state=0).fit(rows)
    out = {
        "rows": len(rows),
        "columns": rows.shape[1],
        "accuracy": accuracy(model),
        "passes of the fit": model.certificate_.passes,
        "CPU s of the fit": time.process_time() - clock,
    }
    clock = time.process_time()
    gone = np.random.default_rng(1).permutation(len(rows))[: len(rows) // FORGOTTEN]
    model.forget(rows=np.sort(gone))
    c = model.certificate_
    assert c.distance <= c.distance_target and model.n_retained_ == len(rows) - len(gone)
    return {
        **out,
        "accuracy after 1%": accuracy(model),
        "passes, 1%": c.passes,
        "CPU s, 1%": time.process_time() - clock,
        "distance": c.distance,
        "allowed": c.distance_target,
        "peak MiB": status("VmHWM") / 2**20,
    }


def measured(rows):
    """Write words to files and live a life over them, in a process of its own."""
    from certunlearn.scale import write_shards

    texts, language = words(rows)
    test = np.arange(len(texts)) % TEST == 0
    folder = Path(tempfile.mkdtemp())
    try:
        for name, some in (("rows", np.flatnonzero(~test)), ("test", np.flatnonzero(test))):
            cuts = [some[k : k + PIECE] for k in range(0, len(some), PIECE)]
            X = (hashed([texts[i] for i in cut]) for cut in cuts)
            write_shards(folder / name, X, (language[cut] for cut in cuts))
        del texts
        return in_subprocess("tests.benchmarks.words", str(folder))
    finally:
        shutil.rmtree(folder)


def main(small=False, out="tests/benchmarks/results"):
    from .report import Report

    report = Report("words", out, small=small)
    size = SIZES["small" if small else "full"]
    report.table("Words of thirteen languages, n-grams in files", [measured(size)])
    report.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rows", type=int, default=SIZES["full"])
    asked = parser.parse_args()
    found = life(asked.folder) if asked.folder else measured(asked.rows)
    json.dump(found, sys.stdout, indent=None if asked.folder else 1)
