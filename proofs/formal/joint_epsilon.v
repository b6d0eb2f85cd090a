(* Several releases together: how the joint epsilon's delta is divided. *)
From Coq Require Import Reals Lra.
From Formal Require Import Analysis Code calibrate.
Local Open Scope R_scope.

(** room >= drift: (epsilon, 0.998 delta e^{-room}) for the shifts and (drift, tail) for the drifts
    make (epsilon + drift, delta), both ways. *)
Theorem joint o epsilon drift room delta p n q : 0 < delta -> 0 <= epsilon -> 0 <= drift <= room ->
  let d0 := composed_left delta room in
  let d1 := tail o epsilon delta in
  (p <= exp epsilon * n + d0 -> n <= exp drift * q + d1 -> p <= exp (epsilon + drift) * q + delta)
  /\ (q <= exp drift * n + d1 -> n <= exp epsilon * p + d0 -> q <= exp (epsilon + drift) * p + delta).
Proof.
  intros dp ep hd d0 d1. assert (D1 := tail_le o epsilon delta dp). fold d1 in D1.
  assert (d1p : 0 <= d1) by (left; apply exp_pos).
  assert (D : exp drift * d0 <= 499 / 500 * delta).
  { unfold d0, composed_left.
    replace (exp drift * (499 / 500 * delta * exp (- room)))
      with (499 / 500 * delta * (exp drift * exp (- room))) by ring.
    rewrite <- exp_plus. assert (X : exp (drift + - room) <= 1) by (rewrite <- exp_0; apply exp_rises; lra).
    assert (0 <= 499 / 500 * delta) by lra. nra. }
  assert (D0 : d0 <= 499 / 500 * delta).
  { unfold d0, composed_left. assert (X : exp (- room) <= 1) by (rewrite <- exp_0; apply exp_rises; lra).
    nra. }
  assert (T : exp epsilon * d1 <= delta / 1000).
  { apply Rle_trans with (exp epsilon * (delta / 1000 * exp (- epsilon))).
    - apply Rmult_le_compat_l; [left; apply exp_pos | exact D1].
    - replace (exp epsilon * (delta / 1000 * exp (- epsilon)))
        with (delta / 1000 * (exp epsilon * exp (- epsilon))) by ring. rewrite exp_cancel. lra. }
  assert (T0 : d1 <= delta / 1000).
  { assert (X : 1 <= exp epsilon) by (rewrite <- exp_0; now apply exp_rises). nra. }
  split; intros X Y; assert (C := chain _ _ _ _ _ _ _ X Y).
  - lra.
  - rewrite (Rplus_comm drift) in C. lra.
Qed.
