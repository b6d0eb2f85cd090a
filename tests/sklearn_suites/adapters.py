"""Certified classes under scikit-learn's names and signatures, noise=0.

Parameters that a certified class does not have raise `Absent` at fit where they are set to anything
that matters; what is only another way to the same optimum (a solver, an order of coordinates) is
left out.
"""

import inspect

import numpy as np
import sklearn
from scipy.sparse import issparse
from sklearn import linear_model, svm
from sklearn.linear_model import _logistic

import certunlearn

SOLVERS = {
    "lbfgs": "lbfgs",
    "newton-cg": "newton-cg",
    "newton-cholesky": "newton-cholesky",
    "sparse_cg": "newton-cg",
    "cholesky": "newton-cholesky",
}
#: Solvers of scikit-learn that there is nothing like here; their tests are not run.
OTHER_SOLVERS = {"liblinear", "sag", "saga", "svd", "lsqr"}


class Absent(NotImplementedError):
    """A parameter without a counterpart; its text is the parameter."""


def solver(asked, X, penalised):
    """What is asked for where it can be had: sparse rows and free coefficients leave no choice."""
    return SOLVERS.get(asked, "auto") if penalised and not issparse(X) else "auto"


def refuse(params, **defaults):
    """Raise for parameters that are not at the value which means nothing."""
    for name, default in defaults.items():
        if name in params and params[name] != default:
            raise Absent(name)


def only(params, *names):
    return {name: params[name] for name in names if name in params}


SHARED = ("fit_intercept", "tol", "class_weight", "random_state")


def logistic(p, X):
    refuse(p, dual=False, warm_start=False, intercept_scaling=1)
    if p.get("multi_class", "deprecated") not in ("deprecated", "auto"):
        raise Absent("multi_class")
    C, l1_ratio, penalty = p["C"], p.get("l1_ratio") or 0.0, p.get("penalty", "deprecated")
    # Until 1.8 the penalty had a name, and l1_ratio meant nothing without the right one.
    if penalty is None:
        C = np.inf
    elif penalty in ("l1", "l2"):
        l1_ratio = float(penalty == "l1")
    if l1_ratio == 1:
        raise Absent("pure L1")
    how = "auto" if l1_ratio else solver(p["solver"], X, np.isfinite(C))
    own = dict(C=C, l1_ratio=l1_ratio, solver=how, multi_class="multinomial")
    return only(p, *SHARED, "max_iter", "verbose") | own


def ridge(p, X):
    refuse(p, positive=False)
    if np.ndim(p["alpha"]):
        raise Absent("alpha of each target")
    out = only(p, *SHARED, "alpha") | dict(max_iter=p["max_iter"] or 100, verbose=0)
    return out | dict(solver=solver(p["solver"], X, p["alpha"] > 0))


def glm(p, X):
    refuse(p, warm_start=False)
    out = only(p, *SHARED, "alpha", "max_iter", "verbose")
    return out | dict(solver=solver(p["solver"], X, p["alpha"] > 0), random_state=None)


def elastic(p, X):
    refuse(p, positive=False, warm_start=False)
    if p["l1_ratio"] == 1:
        raise Absent("pure L1")
    return only(p, *SHARED, "alpha", "l1_ratio", "max_iter") | dict(verbose=0, solver="auto")


def huber(p, X):
    refuse(p, warm_start=False)
    out = only(p, *SHARED, "alpha", "max_iter") | dict(threshold=p["epsilon"], loss="pseudo-huber")
    return out | dict(epsilon=1.0, random_state=None, verbose=0, solver="auto")


def hinge(p, X):
    refuse(p, penalty="l2", multi_class="ovr", intercept_scaling=1)
    out = only(p, *SHARED, "C", "max_iter", "verbose")
    return out | dict(temperature=0.05, loss="softplus_hinge", solver="auto")


def adapted(theirs, ours, translated):
    """A class with the signature of ``theirs`` that fits as ``ours`` does."""
    signature = inspect.signature(theirs.__init__)
    names = [name for name in signature.parameters if name != "self"]

    def __init__(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        for name in names:
            setattr(self, name, bound.arguments[name])

    def fit(self, X, y, sample_weight=None, check_input=True):
        given = {name: self.__dict__.pop(name) for name in names}
        own = {}
        try:
            own = translated(given, X)
            self.__dict__.update(own)
            ours.fit(self, X, y, sample_weight)
        finally:
            for name in own:
                self.__dict__.pop(name, None)
            self.__dict__.update(given)
        if given.get("solver") in SOLVERS:
            # Said in scikit-learn's words, where it is said.
            self.solver_ = given["solver"]
        return self

    __init__.__signature__ = signature
    fixed = dict(delta=1e-6, noise=0, mechanism="gram", view="release", horizon=1)
    if "epsilon" not in names:
        fixed["epsilon"] = 1.0
    if "multi_class" not in names:
        # Asked for outside of ``fit`` too: it decides which labels there may be.
        fixed["multi_class"] = "multinomial"
    if hasattr(theirs, "_get_loss"):
        fixed["_get_loss"] = theirs._get_loss
    body = dict(__init__=__init__, fit=fit, __module__=__name__, __doc__=ours.__doc__)
    return type(theirs.__name__, (ours,), body | fixed)


ADAPTED = {
    theirs.__name__: adapted(theirs, ours, translated)
    for theirs, ours, translated in (
        (linear_model.LogisticRegression, certunlearn.CertifiedLogReg, logistic),
        (linear_model.Ridge, certunlearn.CertifiedRidge, ridge),
        (linear_model.RidgeClassifier, certunlearn.CertifiedRidgeClassifier, ridge),
        (linear_model.PoissonRegressor, certunlearn.CertifiedPoissonRegressor, glm),
        (linear_model.GammaRegressor, certunlearn.CertifiedGammaRegressor, glm),
        (linear_model.ElasticNet, certunlearn.CertifiedElasticNet, elastic),
        (linear_model.HuberRegressor, certunlearn.CertifiedHuberRegressor, huber),
        (svm.LinearSVC, certunlearn.CertifiedLinearSVC, hinge),
    )
}
# Pickles look classes up by name.
globals().update(ADAPTED)


def substitute():
    """Put the certified classes in the place of scikit-learn's, for modules imported later."""
    for name, cls in ADAPTED.items():
        setattr(svm if name == "LinearSVC" else linear_model, name, cls)
    if sklearn.__version__.startswith("1.6."):
        # Its tests take it from where it is defined; later ones would meet it inside the CV class.
        _logistic.LogisticRegression = ADAPTED["LogisticRegression"]
