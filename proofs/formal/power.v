(* The power of the best test between two indistinguishable laws. *)
From Coq Require Import Reals Lra.
From Formal Require Import Analysis Code.
Local Open Scope R_scope.

Section Power.
Variables (epsilon delta p q : R).
(** P(T) and Q(T) of a test T, and of its complement *)
Hypothesis one : p <= exp epsilon * q + delta.
Hypothesis other : 1 - q <= exp epsilon * (1 - p) + delta.

Theorem from_epsilon : p <= Rmin (exp epsilon * q + delta) (1 - exp (- epsilon) * (1 - delta - q)).
Proof.
  apply Rmin_glb; [exact one|].
  assert (C := exp_cancel epsilon). assert (P := exp_pos (- epsilon)).
  apply (Rmult_le_compat_l (exp (- epsilon))) in other; [|lra].
  replace (exp (- epsilon) * (exp epsilon * (1 - p) + delta))
    with (exp epsilon * exp (- epsilon) * (1 - p) + exp (- epsilon) * delta) in other by ring.
  rewrite C in other. lra.
Qed.

Theorem advantage_exact : p - q <= (exp epsilon - 1 + 2 * delta) / (exp epsilon + 1).
Proof.
  assert (P := exp_pos epsilon). apply (Rmult_le_reg_r (exp epsilon + 1)); [lra|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. lra.
Qed.

(** The code's formula, e = exp epsilon *)
Theorem advantage : p - q <= Promise_advantage_gap delta (exp epsilon) epsilon.
Proof.
  apply Rle_trans with (1 := advantage_exact). unfold Promise_advantage_gap, tanh, sinh, cosh.
  assert (E : exp epsilon = exp (1 / 2 * epsilon) * exp (1 / 2 * epsilon))
    by (rewrite <- exp_plus; f_equal; field).
  assert (P := exp_pos (1 / 2 * epsilon)). rewrite E, exp_Ropp. set (h := exp (1 / 2 * epsilon)) in *.
  right. field. repeat split; try lra; nra.
Qed.
End Power.

(** From mu: G bounds the power of N against one law, the drift lies between N and the other. *)
Theorem from_mu (G : R -> R) p n q e d : (forall x y, x <= y -> G x <= G y) ->
  p <= G n -> n <= exp e * q + d -> p <= G (exp e * q + d).
Proof. intros mono X Y. apply Rle_trans with (1 := X). now apply mono. Qed.

Theorem from_mu_back (G : R -> R) p n q e d : q <= exp e * n + d -> n <= G p -> q <= exp e * G p + d.
Proof. intros X Y. assert (P := exp_pos e). nra. Qed.
