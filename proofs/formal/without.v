(* Putting rows into a matrix: entrywise error bounds add up. *)
From Coq Require Import Reals Lra.
From Formal Require Import Analysis.
Local Open Scope R_scope.

Section Sum.
(** Two roots of diagonals g and d at entries i and j, and the root h of their sum *)
Variables gi gj di dj hi hj : R.
Hypothesis signs : 0 <= gi /\ 0 <= gj /\ 0 <= di /\ 0 <= dj /\ 0 <= hi /\ 0 <= hj.
Hypothesis at_i : hi * hi = gi * gi + di * di.
Hypothesis at_j : hj * hj = gj * gj + dj * dj.

Lemma root_le g d h : 0 <= h -> 0 <= g -> h * h = g * g + d * d -> g <= h.
Proof. intros hp gp H. apply Rsqr_incr_0_var; [unfold Rsqr; nra | exact hp]. Qed.

(** The sum's error: E of the matrix, E' of the rows put in *)
Theorem error_of_sum E E' e e' : 0 <= e -> 0 <= e' ->
  Rabs E <= e * (gi * gj) -> Rabs E' <= e' * (di * dj) -> Rabs (E + E') <= (e + e') * (hi * hj).
Proof.
  intros ep ep' H H'. destruct signs as [a [b [c [d [p q]]]]].
  assert (G1 := root_le gi di hi p a at_i). assert (G2 := root_le gj dj hj q b at_j).
  assert (D1 : di <= hi) by (apply (root_le di gi); [exact p | exact c | lra]).
  assert (D2 : dj <= hj) by (apply (root_le dj gj); [exact q | exact d | lra]).
  assert (X : gi * gj <= hi * hj) by (apply Rmult_le_compat; lra).
  assert (Y : di * dj <= hi * hj) by (apply Rmult_le_compat; lra).
  apply Rle_trans with (1 := Rabs_triang _ _). rewrite Rmult_plus_distr_r.
  apply Rplus_le_compat; [apply Rle_trans with (1 := H) | apply Rle_trans with (1 := H')];
    now apply Rmult_le_compat_l.
Qed.

(** The entries themselves, for what their sum rounds by *)
Theorem size_of_sum x y e : 0 <= e <= 1 ->
  Rabs x <= (1 + e) * (gi * gj) -> Rabs y <= (1 + e) * (di * dj) -> Rabs (x + y) <= 2 * (hi * hj).
Proof.
  intros he H H'. destruct signs as [a [b [c [d [p q]]]]].
  assert (C : gi * gj + di * dj <= hi * hj).
  { apply Rsqr_incr_0_var; [|now apply Rmult_le_pos]. unfold Rsqr.
    replace (hi * hj * (hi * hj)) with ((hi * hi) * (hj * hj)) by ring. rewrite at_i, at_j.
    assert (Z := Rle_0_sqr (gi * dj - di * gj)). unfold Rsqr in Z. lra. }
  assert (P : 0 <= gi * gj + di * dj).
  { assert (X : 0 <= gi * gj) by now apply Rmult_le_pos.
    assert (Y : 0 <= di * dj) by now apply Rmult_le_pos. lra. }
  apply Rle_trans with (1 := Rabs_triang _ _). nra.
Qed.
End Sum.

(** Taking rows out: errors add, and the old diagonal, which bounds both absolute sums, stays. *)
Theorem error_of_difference E E' e e' gi gj : Rabs E <= e * (gi * gj) -> Rabs E' <= e' * (gi * gj) ->
  Rabs (E - E') <= (e + e') * (gi * gj).
Proof.
  intros H H'. unfold Rminus. apply Rle_trans with (1 := Rabs_triang _ _). rewrite Rabs_Ropp. lra.
Qed.
