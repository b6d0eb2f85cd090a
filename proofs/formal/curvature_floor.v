(* A diagonal below the Hessian: what a free intercept leaves of the curvature. *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms.
Local Open Scope R_scope.

Section Floor.
Context {V : ModuleSpace R_Ring} {A : Type}.

(** C[a + b] >= tau C[b] - tau/(1 - tau) C[a] *)
Theorem split (C : form V) a b tau : nonneg C -> 0 < tau < 1 ->
  tau * C b b - tau / (1 - tau) * C a a <= C (plus a b) (plus a b).
Proof.
  intros P ht. assert (Q := P (plus a (scal (1 - tau) b))).
  rewrite square_plus, scale2, scale, scale2 in Q. rewrite square_plus.
  apply (Rmult_le_reg_r (1 - tau)); [lra|].
  replace ((tau * C b b - tau / (1 - tau) * C a a) * (1 - tau))
    with (tau * (1 - tau) * C b b - tau * C a a) by (field; lra).
  nra.
Qed.

(** Rows with curvatures C_i <= ..., margins a_i + b; sum s_i C_i[a_i] <= lambda pen: with
    tau = 1/(1 + 2 lambda) half of the penalty pays for the rows' features. *)
Theorem floor (s : A -> R) (C : A -> form V) (a : A -> V) (b : V) rows lambda pen : 0 < lambda ->
  (forall i, In i rows -> 0 <= s i) -> (forall i, In i rows -> nonneg (C i)) ->
  total (fun i => s i * C i (a i) (a i)) rows <= lambda * pen ->
  pen / 2 + / (1 + 2 * lambda) * total (fun i => s i * C i b b) rows
    <= total (fun i => s i * C i (plus (a i) b) (plus (a i) b)) rows + pen.
Proof.
  intros lp sp CP H. set (tau := / (1 + 2 * lambda)).
  assert (ht : 0 < tau < 1).
  { unfold tau. split; [apply Rinv_0_lt_compat; lra|]. rewrite <- Rinv_1 at 2.
    apply Rinv_lt_contravar; lra. }
  assert (E : tau / (1 - tau) = / (2 * lambda)) by (unfold tau; field; lra).
  assert (S : tau * total (fun i => s i * C i b b) rows - / (2 * lambda) * total (fun i => s i * C i (a i) (a i)) rows
    <= total (fun i => s i * C i (plus (a i) b) (plus (a i) b)) rows).
  { unfold Rminus. rewrite Ropp_mult_distr_l, <- !total_scal, <- total_plus. apply total_le. intros i hi.
    assert (X := split (C i) (a i) b tau (CP i hi) ht). rewrite E in X. specialize (sp i hi).
    apply (Rmult_le_compat_l (s i)) in X; [|exact sp]. lra. }
  assert (D : / (2 * lambda) * total (fun i => s i * C i (a i) (a i)) rows <= pen / 2).
  { apply (Rmult_le_reg_l (2 * lambda)); [lra|]. rewrite <- Rmult_assoc, Rinv_r by lra. lra. }
  lra.
Qed.
End Floor.
