(* Several releases together: how the joint epsilon's delta is divided. *)
From Coq Require Import Reals Lra.
From Formal Require Import Analysis Code calibrate.
Local Open Scope R_scope.

(** room >= drift: (epsilon, 0.998 delta e^{-room}) for the shifts and (drift, tail) for the drifts
    make (epsilon + drift, delta), both ways. *)
Theorem joint epsilon drift room delta p n q : 0 < delta -> 0 <= epsilon -> 0 <= drift <= room ->
  let d0 := composed_epsilon_epsilon delta room in
  let tail := composed_epsilon_tail delta epsilon in
  epsilon <= 1000 ->
  (p <= exp epsilon * n + d0 -> n <= exp drift * q + tail -> p <= exp (epsilon + drift) * q + delta)
  /\ (q <= exp drift * n + tail -> n <= exp epsilon * p + d0 -> q <= exp (epsilon + drift) * p + delta).
Proof.
  intros dp ep hd d0 tail small.
  assert (D : exp drift * d0 <= 499 / 500 * delta).
  { unfold d0, composed_epsilon_epsilon.
    replace (exp drift * (499 / 500 * delta * exp (- room)))
      with (499 / 500 * delta * (exp drift * exp (- room))) by ring.
    rewrite <- exp_plus. assert (X : exp (drift + - room) <= 1) by (rewrite <- exp_0; apply exp_rises; lra).
    assert (0 <= 499 / 500 * delta) by lra. nra. }
  assert (D0 : d0 <= 499 / 500 * delta).
  { unfold d0, composed_epsilon_epsilon. assert (X : exp (- room) <= 1) by (rewrite <- exp_0; apply exp_rises; lra).
    nra. }
  assert (T : exp epsilon * tail <= delta / 1000).
  { unfold tail, composed_epsilon_tail. rewrite Rmin_left by exact small.
    replace (exp epsilon * (1 / 1000 * delta * exp (- epsilon)))
      with (delta / 1000 * (exp epsilon * exp (- epsilon))) by field. rewrite exp_cancel. lra. }
  assert (T0 : tail <= delta / 1000).
  { assert (tp : 0 <= tail).
    { unfold tail, composed_epsilon_tail. apply Rmult_le_pos; [lra | left; apply exp_pos]. }
    assert (X : 1 <= exp epsilon) by (rewrite <- exp_0; now apply exp_rises). nra. }
  split; intros X Y; assert (C := chain _ _ _ _ _ _ _ X Y).
  - lra.
  - rewrite (Rplus_comm drift) in C. lra.
Qed.
