(* Dividing epsilon and delta between the shift of the mean and the drift of the covariance. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Code.
Local Open Scope R_scope.

(** A chain P - N - Q of laws, on one event: (e0, d0) and then (e1, d1) *)
Theorem chain p n q e0 d0 e1 d1 : p <= exp e0 * n + d0 -> n <= exp e1 * q + d1 ->
  p <= exp (e0 + e1) * q + (exp e0 * d1 + d0).
Proof. intros X Y. rewrite exp_plus. assert (P := exp_pos e0). nra. Qed.

(** What the code divides: reserve, tail and what is left of delta serve both directions. *)
Theorem calibrated epsilon delta p n q : 0 < epsilon -> 0 < delta ->
  let reserve := calibrate_reserve true epsilon in
  let tail := calibrate_tail delta true epsilon in
  let left := calibrate_left delta true reserve in
  (p <= exp (epsilon - reserve) * n + left -> n <= exp reserve * q + tail -> p <= exp epsilon * q + delta)
  /\ (q <= exp reserve * n + tail -> n <= exp (epsilon - reserve) * p + left -> q <= exp epsilon * p + delta).
Proof.
  intros ep dp reserve tail left.
  assert (rp : 0 <= reserve) by (unfold reserve, calibrate_reserve, Rmin; destruct Rle_dec; lra).
  assert (L : left <= 999 / 1000 * delta * exp (- reserve)).
  { unfold left, calibrate_left. assert (P := exp_pos (- reserve)).
    assert (0 <= 999 / 1000 * delta * exp (- reserve)) by (apply Rmult_le_pos; lra). lra. }
  assert (E1 : exp (epsilon - reserve) * tail <= delta / 1000).
  { unfold tail, calibrate_tail.
    replace (exp (epsilon - reserve) * (1 / 1000 * delta * exp (- epsilon)))
      with (delta / 1000 * (exp (epsilon - reserve) * exp (- epsilon))) by field.
    rewrite <- exp_plus. assert (X : exp (epsilon - reserve + - epsilon) <= 1)
      by (rewrite <- exp_0; apply exp_rises; lra).
    assert (0 <= delta / 1000) by lra. nra. }
  assert (L1 : left <= 999 / 1000 * delta).
  { apply Rle_trans with (1 := L). assert (X : exp (- reserve) <= 1) by (rewrite <- exp_0; apply exp_rises; lra). nra. }
  assert (E2 : exp reserve * left <= 999 / 1000 * delta).
  { assert (P := exp_pos reserve). assert (C := exp_cancel reserve).
    apply Rle_trans with (exp reserve * (999 / 1000 * delta * exp (- reserve))).
    - apply Rmult_le_compat_l; lra.
    - replace (exp reserve * (999 / 1000 * delta * exp (- reserve)))
        with (999 / 1000 * delta * (exp reserve * exp (- reserve))) by ring. rewrite C. lra. }
  assert (T : tail <= delta / 1000).
  { unfold tail, calibrate_tail. assert (X : exp (- epsilon) <= 1) by (rewrite <- exp_0; apply exp_rises; lra). nra. }
  split; intros X Y; assert (C := chain _ _ _ _ _ _ _ X Y).
  - replace (epsilon - reserve + reserve) with epsilon in C by ring. lra.
  - replace (reserve + (epsilon - reserve)) with epsilon in C by ring. lra.
Qed.

(** Without drift there is nothing to divide. *)
Theorem undivided epsilon delta : calibrate_reserve false epsilon = 0
  /\ calibrate_tail delta false epsilon = 0 /\ calibrate_left delta false 0 = delta.
Proof. now unfold calibrate_reserve, calibrate_tail, calibrate_left. Qed.

Section Means.
Context {V : ModuleSpace R_Ring}.
(** ||m2 - w*|| in A1 from A2 >= (1 - drift) A1, and the caps: fit (1 + drift) + target <= sigma mu *)
Theorem means (A1 A2 : form V) (m1 m2 optimum : V) drift fit target sigma mu :
  nonneg A1 -> nonneg A2 -> 0 <= drift <= 1 / 4 ->
  (forall u, (1 - drift) * A1 u u <= A2 u u) ->
  norm A1 (less m1 optimum) <= target -> norm A2 (less m2 optimum) <= fit ->
  fit * (1 + drift) + target <= sigma * mu ->
  norm A1 (less m1 m2) <= sigma * mu.
Proof.
  intros P1 P2 hd low ht hf caps. set (v := less m2 optimum) in *.
  assert (N : norm A1 v <= (1 + drift) * norm A2 v).
  { rewrite <- (sqrt_square (1 + drift)) by lra. apply below_norm; [exact P1 | nra |].
    intros u. specialize (low u). specialize (P1 u).
    assert (1 <= (1 + drift) * (1 + drift) * (1 - drift)) by nra.
    apply Rle_trans with ((1 + drift) * (1 + drift) * ((1 - drift) * A1 u u)); [|apply Rmult_le_compat_l; nra].
    replace ((1 + drift) * (1 + drift) * ((1 - drift) * A1 u u))
      with ((1 + drift) * (1 + drift) * (1 - drift) * A1 u u) by ring. nra. }
  assert (S : less m1 m2 = plus (less m1 optimum) (opp v)).
  { unfold v, less. rewrite opp_plus, opp_opp, <- plus_assoc. f_equal.
    rewrite plus_comm, <- plus_assoc, plus_opp_r, plus_zero_r. reflexivity. }
  rewrite S. apply Rle_trans with (1 := norm_triangle A1 _ _ P1). rewrite norm_opp.
  assert ((1 + drift) * norm A2 v <= (1 + drift) * fit) by (apply Rmult_le_compat_l; lra). lra.
Qed.
End Means.
