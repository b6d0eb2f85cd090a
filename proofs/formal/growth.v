(* How much longer vectors look in a later factor. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms.
Local Open Scope R_scope.

Section Growth.
Context {V : ModuleSpace R_Ring}.
Implicit Types (I : form V).

(** X L = I + F, ||F|| <= slack: L^{-1} u = y solves y + F y = z = X u, and is at most
    1/(1 - slack) times as long. *)
Theorem inverse_length I (F : V -> V) slack y z : nonneg I -> slack < 1 ->
  (forall v, norm I (F v) <= slack * norm I v) -> plus y (F y) = z ->
  norm I y <= norm I z / (1 - slack).
Proof.
  intros P s1 small S. apply (Rmult_le_reg_r (1 - slack)); [lra|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  assert (T : norm I y <= norm I z + norm I (F y)).
  { rewrite <- (norm_opp I (F y)). replace y with (plus z (opp (F y))) at 1;
      [now apply norm_triangle|].
    rewrite <- S, <- plus_assoc, plus_opp_r, plus_zero_r. reflexivity. }
  specialize (small y). lra.
Qed.

(** ||L_new^{-1} u|| <= (product + wrong)/(1 - slack) ||L_old^{-1} u||: z = X L_old w, w = L_old^{-1} u,
    product and wrong bounding the computed product X L_old and its rounding. *)
Theorem growth I (F N E : V -> V) slack product wrong y w : nonneg I -> slack < 1 ->
  (forall v, norm I (F v) <= slack * norm I v) ->
  (forall v, norm I (N v) <= product * norm I v) -> (forall v, norm I (E v) <= wrong * norm I v) ->
  plus y (F y) = plus (N w) (E w) ->
  norm I y <= (product + wrong) / (1 - slack) * norm I w.
Proof.
  intros P s1 small hN hE S. apply Rle_trans with (1 := inverse_length I F slack y _ P s1 small S).
  assert (T := norm_triangle I (N w) (E w) P). specialize (hN w). specialize (hE w).
  unfold Rdiv. rewrite (Rmult_comm (product + wrong)), Rmult_assoc, Rmult_comm.
  apply Rmult_le_compat_l; [left; apply Rinv_0_lt_compat; lra | lra].
Qed.

(** The same as forms: old <= gamma^2 new turns dual norms in new into gamma times those in old. *)
Theorem growth_dual (old new : form V) gamma (f : V -> R) r : nonneg old -> 0 <= gamma -> 0 <= r ->
  below old (gamma * gamma) new -> within old f r -> within new f (gamma * r).
Proof.
  intros P gp rp H W. rewrite Rmult_comm, <- (sqrt_square gamma) by exact gp.
  apply (within_below old); trivial. now apply Rmult_le_pos.
Qed.
End Growth.
