"""Wrong statements that must fail to check: three a page.

``python proofs/formal/false.py [page ...]`` compiles each in a temporary folder and tells which
were refused, as all should be. Run ``make -C proofs/formal`` first.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: By page: file, what it says, what it must not say.
VARIANTS = {
    "gsc_constants": (
        ("gsc_constants.v", "t <= LogCosh_kappa", "t <= LogCosh_kappa / 2"),
        ("gsc_constants.v", "(ht : t * t = 1) : loss Logistic_R", "(ht : t * t = 1) : loss (/ 2)"),
        ("Objective.v", "<= Softmax_kappa * total", "<= Softmax_kappa / 2 * total"),
    ),
    "gsc_remainder": (
        ("gsc_remainder.v", "(phi t * norm (hess F 0) v)", "(phi t / 2 * norm (hess F 0) v)"),
        ("gsc_remainder.v", "near (t * a) (hess F 0)", "near (t * a / 2) (hess F 0)"),
        (
            "gsc_remainder.v",
            "0 < t <= 0.02 ->\n  phi t <= t/2 + t^2/6 + t^3/24 + t^4/120 + t^5/700",
            "0 < t <= 0.02 ->\n  phi t <= t/2 + t^2/6 + t^3/24 + t^4/120",
        ),
    ),
    "distance_from_decrement": (
        (
            "distance_from_decrement.v",
            "nu else - ln (1 - L * nu) / L",
            "nu else ln (1 + L * nu) / L",
        ),
        ("distance_from_decrement.v", "(grad F 0) nu ->", "(grad F 0) (2 * nu) ->"),
        ("distance_from_decrement.v", "- ln (1 - L * nu) <= t.", "- ln (1 - L * nu) <= t / 2."),
    ),
    "distance_remainder": (
        ("distance_remainder.v", "<= ((exp T - 1) + phi t') * r.", "<= phi t' * r."),
        ("distance_remainder.v", "norm B d <= half * rH.", "norm B d <= rH."),
        ("distance_remainder.v", "t <= L_G * (size + c_G * q).", "t <= L_G * size."),
    ),
    "composite_distance": (
        ("composite_distance.v", "c * (exp (T / 2) * distance", "c * (1 * distance"),
        (
            "composite_distance.v",
            "Rabs (g + xi - v) <= e + rounding",
            "Rabs (g + xi - v) <= e / 2 + rounding",
        ),
        (
            "composite_distance.v",
            "  subgradient h w xi0 ->\n  within (hess F 0)",
            "  subgradient h w (fun _ => 0) ->\n  within (hess F 0)",
        ),
    ),
    "edited": (
        ("edited.v", "B_0 (/ (exp (- theta) - removed)) M.", "B_0 (/ exp (- theta)) M."),
        ("edited.v", "<= c * (q + rho * / sqrt left).", "<= c * (q + rho)."),
        ("edited.v", "gram_added) / (1 - w)) B_0.", "gram_added) / (1 + w)) B_0."),
    ),
    "mismatch": (
        ("mismatch.v", "near (theta + margin_error + ratio", "near (theta + ratio"),
        ("mismatch.v", "near rho (weighted s C", "near (rho / 2) (weighted s C"),
        ("mismatch.v", "near t (hess F 0) (hess F 1)", "near (t / 2) (hess F 0) (hess F 1)"),
    ),
    "inverse_range": (
        ("inverse_range.v", "<= Rmax (/ l - omega) (omega - / u) * nu.", "<= (/ l - omega) * nu."),
        ("inverse_range.v", "- (l + u) * H d d + l", "- u * H d d + l"),
        ("inverse_range.v", "(omega - / u) * nu.", "(/ u - omega) * nu."),
    ),
    "mixture": (
        ("mixture.v", "(c k * r k)) ks + norm A e.", "(c k * r k)) ks."),
        ("mixture.v", "w k * (c k * r k)) ks", "w k * r k) ks"),
        ("mixture.v", "w k * norm A (x k)) ks.", "w k * w k * norm A (x k)) ks."),
    ),
    "curvature_floor": (
        ("curvature_floor.v", "- tau / (1 - tau) * C a a <=", "- tau * C a a <="),
        ("curvature_floor.v", "  pen / 2 + / (1 + 2", "  pen + / (1 + 2"),
        ("curvature_floor.v", "pen / 2 + / (1 + 2 * lambda)", "pen / 2 + / (1 + lambda)"),
    ),
    "delta_from_epsilon": (
        (
            "delta_from_epsilon.v",
            "exp eps * Phi (- (m / 2) - eps / m).\n\n(** e^eps",
            "Phi (- (m / 2) - eps / m).\n\n(** e^eps",
        ),
        ("delta_from_epsilon.v", "m * (1 / sqrt (2 * PI)).", "m * (1 / 2 / sqrt (2 * PI))."),
        (
            "delta_from_epsilon.v",
            "0 < m -> delta eps m <= Code",
            "0 < m -> 2 * delta eps m <= Code",
        ),
    ),
    "certified_removal": (
        (
            "certified_removal.v",
            "Definition cut eps m := eps / m + m / 2.",
            "Definition cut eps m := eps / m.",
        ),
        (
            "certified_removal.v",
            "psi x * density 0 x) a b + delta eps m.",
            "psi x * density 0 x) a b + delta eps m / 2.",
        ),
        ("certified_removal.v", "r + r_fit <= sigma * mu ->\n  norm", "r <= sigma * mu ->\n  norm"),
    ),
    "calibrate": (
        (
            "calibrate.v",
            "fit * (1 + drift) + target <= sigma * mu ->",
            "fit + target <= sigma * mu ->",
        ),
        ("calibrate.v", "q + (exp e0 * d1 + d0).", "q + (d1 + d0)."),
        ("calibrate.v", "-> p <= exp epsilon * q + delta)", "-> p <= exp epsilon * q + delta / 2)"),
    ),
    "joint_epsilon": (
        ("joint_epsilon.v", "composed_left delta room in", "composed_left (2 * delta) room in"),
        ("joint_epsilon.v", "0 <= drift <= room ->", "0 <= drift <= 2 * room ->"),
        ("joint_epsilon.v", "p <= exp (epsilon + drift) * q", "p <= exp epsilon * q"),
    ),
    "power": (
        ("power.v", "(exp epsilon - 1 + 2 * delta)", "(exp epsilon - 1 + delta)"),
        ("power.v", "exp (- epsilon) * (1 - delta - q)).", "exp (- epsilon) * (1 - q))."),
        ("power.v", "-> p <= G (exp e * q + d).", "-> p <= G (exp e * q)."),
    ),
    "covariance_drift": (
        ("covariance_drift.v", "<= lambda * lambda / (2 * (1 - e)).", "<= lambda * lambda / 4."),
        ("covariance_drift.v", "<= y * y / (4 * (1 - Rabs y)).", "<= y * y / 4."),
        ("covariance_drift.v", "+ b * x) <= - x.", "+ b * x) <= - (2 * x)."),
    ),
    "without": (
        ("without.v", "<= (e + e') * (hi * hj).", "<= e * (hi * hj)."),
        ("without.v", "Rabs (x + y) <= 2 * (hi * hj).", "Rabs (x + y) <= hi * hj."),
        ("without.v", "<= (e + e') * (gi * gj).", "<= (e - e') * (gi * gj)."),
    ),
    "appended_floor": (
        (
            "appended_floor.v",
            "p q kappa x y :\n  let half := appended_floor_half kappa p q in",
            "p q kappa x y :\n  let half := appended_floor_half kappa p q / 2 in",
        ),
        (
            "appended_floor.v",
            "<= appended_floor_largest half kappa q * (x",
            "<= (half + q * q) * (x",
        ),
        ("appended_floor.v", "I w1 e = 0 -> I e e = 1", "I w1 e = 1 -> I e e = 1"),
    ),
    "gram": (
        (
            "rounding.v",
            "x * (1 + IZR (k - 1) * u) <= up_float k x.",
            "x * (1 + (IZR k + 1) * u) <= up_float k x.",
        ),
        ("rounding.v", "(Rabs (x * y)) 1).", "(Rabs (x * y)) 0)."),
        ("gappa/gamma.g", "[-5b-54, 5b-54]", "[-1b-54, 1b-54]"),
    ),
}
#: An error of these kinds would say that the variant was not tried at all.
BESIDE = ("yntax error", "inconsistent assumptions", "Cannot find a physical", "was not found in")


def refused(folder: Path, file: str, true: str, false: str) -> str:
    """Return what the checker says of a variant in a compiled copy, or "" if it accepts it."""
    source = (folder / file).read_text()
    if source.count(true) < 1:
        raise ValueError(f"{file} does not say {true!r}")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / Path(file).name
        target.write_text(source.replace(true, false, 1))
        checker = ["coqc", "-w", "-all", "-Q", ".", "Formal"] if file.endswith(".v") else ["gappa"]
        run = subprocess.run(
            [*checker, str(target)], cwd=folder, capture_output=True, text=True, timeout=300
        )
    said = run.stdout + run.stderr
    if run.returncode and any(words in said for words in BESIDE):
        raise ValueError(f"{file}: {said}")
    return said if run.returncode else ""


def main() -> int:
    accepted = 0
    for page in sys.argv[1:] or VARIANTS:
        for file, true, false in VARIANTS[page]:
            said = refused(HERE, file, true, false)
            accepted += not said
            print(f"{'refused' if said else 'ACCEPTED':9}{page}: {false.strip().splitlines()[-1]}")
    return accepted


if __name__ == "__main__":
    if not shutil.which("coqc"):
        sys.exit("coqc is not installed")
    sys.exit(main())
