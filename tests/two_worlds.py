"""Two worlds that only secrets may tell apart: rows that left, and rows that were never there.

A story is a fit and a list of requests, and `played` plays it.  `Story.never` is the same requests
on data in which what leaves was never there: rows that go weigh nothing from the start, and rows
that are corrected are so from the start.  `afresh` fits the rows that stay, in the order of their
positions.  `public` is everything that somebody without the owner's log can see.
"""

import re
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from certunlearn.engine import release

#: The release itself, whose noise is fresh, and what is the owner's: what requests there were, and
#: what it took (a realised figure, as passes and seconds are).
RELEASED = {"coef_", "intercept_"}
OWN = {"history_", "n_forgotten_", "n_iter_", "certificate_"}

ODD = "a label that only the row of one person has"
WORDS = np.array(["ash", "birch", "cedar"])


class Row(NamedTuple):
    """Features (a list), class code or number, sample weight."""

    x: list
    code: float
    weight: float = 1.0


class Story(NamedTuple):
    """Rows of the fit, and requests.

    A request is ("forget", positions), ("learn", rows), ("correct", position, x or None, code or
    None) or ("release",).
    """

    rows: list
    requests: list

    @property
    def ends(self):
        """Every row that ever came, as it is at the end; None where it has gone."""
        now = list(self.rows)
        for verb, *what in self.requests:
            if verb == "forget":
                now = [None if at in what[0] else row for at, row in enumerate(now)]
            elif verb == "learn":
                now += what[0]
            elif verb == "correct":
                at, x, code = what
                old = now[at]
                now[at] = Row(old.x if x is None else x, old.code if code is None else code)
        return now

    @property
    def never(self):
        """The same requests on rows of which none leaves and none changes."""
        ends, requests, n = self.ends, [], len(self.rows)

        def always(rows, first):
            known = zip(rows, ends[first:], strict=False)
            return [row._replace(weight=0.0) if end is None else end for row, end in known]

        for verb, *what in self.requests:
            if verb == "learn":
                what, n = [always(what[0], n)], n + len(what[0])
            elif verb == "correct" and ends[what[0]] is not None:
                at, x, code = what
                what = at, x and ends[at].x, None if code is None else ends[at].code
            requests.append((verb, *what))
        return Story(always(self.rows, 0), requests)


class Kinds:
    """How rows and labels are given."""

    def __init__(self, container="C", labels="int"):
        self.container, self.labels = container, labels

    def X(self, rows):
        values = np.array([row.x for row in rows], dtype=float)
        names = list("abcdefgh")[: values.shape[1]]
        kinds = {
            "C": lambda: values,
            "float32": lambda: values.astype(np.float32),
            "csr": lambda: sp.csr_array(values),
            "list": values.tolist,
            "frame": lambda: pd.DataFrame(values, columns=names),
            "words": lambda: self.worded(values, names),
            "text": lambda: [self.phrase(v) for v in values],
        }
        return kinds[self.container]()

    @staticmethod
    def worded(values, names):
        frame = pd.DataFrame(values, columns=names)
        words = [ODD if v > 50 else WORDS[int(abs(v)) % 3] for v in values[:, 0]]
        frame["word"], frame["kind"] = words, pd.Categorical(words)
        return frame

    @staticmethod
    def phrase(v):
        more = ODD if v[0] > 50 else ""
        return " ".join([*WORDS[(np.abs(v[:2]) * 2).astype(int) % 3], more])

    def y(self, rows):
        codes = np.array([row.code for row in rows])
        if self.labels == "float":
            return codes * 1.5 + 0.25
        if self.labels == "positive":
            return codes + 1.5
        if self.labels == "targets":
            return np.c_[codes, codes * 0.5 + 1]
        if self.labels.startswith("marks"):
            # Without the odd row nobody has the second label, and everybody the third.
            marks = np.c_[codes == 1, codes == 2, codes < 2].astype(int)
            kinds = {"in CSR": sp.csr_matrix, "named": lambda m: pd.DataFrame(m, columns=[*"uvw"])}
            return kinds.get(self.labels[6:], np.asarray)(marks)
        if self.labels == "int":
            return codes.astype(int)
        names = np.array(["no", "yes", ODD])[codes.astype(int)]
        kinds = {
            "str": lambda: names,
            "list": names.tolist,
            "object": lambda: names.astype(object),
            "category": lambda: pd.Series(pd.Categorical(names)),
            "string": lambda: pd.Series(names, dtype="string"),
        }
        return kinds[self.labels]()


def played(make, kinds, story):
    """Fit the rows and carry all requests out."""

    def given(rows):
        return kinds.X(rows), kinds.y(rows), np.array([row.weight for row in rows])

    model = make().fit(*given(story.rows))
    for verb, *what in story.requests:
        if verb == "forget":
            model.forget(rows=what[0], confirm=True)
        elif verb == "learn":
            model.learn(*given(what[0]))
        elif verb == "correct":
            at, x, code = what
            X = None if x is None else kinds.X([Row(x, 0)])
            model.correct(rows=[at], X=X, y=None if code is None else kinds.y([Row(x, code)]))
        else:
            model.release()
    return model


def afresh(make, kinds, story):
    stay = [row for row in story.ends if row is not None]
    return make().fit(kinds.X(stay), kinds.y(stay))


def head(model):
    return getattr(model, "head", model)


def facets(value, name=""):
    """What can be compared of anything a user can get hold of, kinds and dtypes included."""
    if isinstance(value, np.ndarray):
        shown = "drawn" if name in RELEASED else value.tolist()
        return type(value).__name__, str(value.dtype), value.shape, shown
    if isinstance(value, BaseEstimator):
        own = {k: facets(v, k) for k, v in vars(value).items() if not k.startswith("_sklearn")}
        return type(value).__name__, own
    if isinstance(value, dict):
        return {k: facets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(facets, value)]
    shown = re.sub(r" at 0x\w+", "", repr(value))
    return type(value).__name__, "drawn" if name in RELEASED else shown


def draws(model):
    """Shapes of the noise that one more release draws."""
    shapes, plain = [], release.standard_normal

    def counted(source, shape):
        shapes.append(tuple(shape))
        return plain(source, shape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "standard_normal", counted)
        model.release()
    return shapes


def refused(model, kinds, x):
    """What is said to who asks for a label that has gone."""
    try:
        model.learn(kinds.X([Row(x, 2)]), kinds.y([Row(x, 2)]))
    except ValueError as error:
        return type(error).__name__, str(error)
    return "taken"


def public(model, kinds, rows):
    """Everything that can be seen of a model, but for the certificate."""
    own, X = head(model), kinds.X(rows)
    seen = {k: facets(v, k) for k, v in vars(own).items() if k.endswith("_") and k not in OWN}
    # Parameters are set by the user; private state is the owner's.
    seen = {k: v for k, v in seen.items() if not k.startswith("_")}
    seen["params"] = repr(model)
    seen["export"] = facets(model.export_predictor())
    for verb in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, verb):
            out = getattr(model, verb)(X)
            seen[verb] = str(out.dtype), out.shape
    if hasattr(model, "steps"):
        seen["steps"] = facets([step for _, step in model.steps[:-1]])
    return seen


def promises(model, since=None, budget=None):
    """The public certificate, but for the event; a fit's as if at the ``since``-th release."""
    c = model.certificate_.public()
    out = {f.name: getattr(c, f.name) for f in fields(c) if not f.metadata.get("event")}
    if budget is not None:
        caps, joint = budget.caps(since), budget.joint(since)
        out.update(distance_target=caps.target, fit_distance=caps.fit, releases=since)
        out.update({f"joint_{k}": getattr(joint, k) for k in ("epsilon", "mu", "drift")})
    return out
