(* A convex mixture of models of the same rows. *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms.
Local Open Scope R_scope.

Section Mixture.
Context {V : ModuleSpace R_Ring} {K : Type}.
Variables (w c r : K -> R) (W optimum : K -> V) (A : form V) (A_ : K -> form V).
Hypothesis A_nonneg : nonneg A.

Definition combination (x : K -> V) ks : V := fold_right (fun k acc => plus (scal (w k) (x k)) acc) zero ks.

Lemma combination_less x y ks :
  less (combination x ks) (combination y ks) = combination (fun k => less (x k) (y k)) ks.
Proof.
  induction ks as [|k ks IH]; simpl; unfold less in *.
  - apply plus_opp_r.
  - rewrite opp_plus, <- IH, scal_distr_l, scal_opp_r.
    rewrite <- !plus_assoc. f_equal. rewrite !plus_assoc. f_equal. apply plus_comm.
Qed.

(** Convexity of a norm, with any weights that are not negative *)
Theorem combination_norm x ks : (forall k, In k ks -> 0 <= w k) ->
  norm A (combination x ks) <= total (fun k => w k * norm A (x k)) ks.
Proof.
  intros pos. induction ks as [|k ks IH]; simpl; [rewrite norm_zero; lra|].
  apply Rle_trans with (1 := norm_triangle A _ _ A_nonneg).
  rewrite norm_scale, Rabs_pos_eq by (trivial; apply pos; now left).
  apply Rplus_le_compat_l, IH. intros j hj. apply pos. now right.
Qed.

(** ||W - sum w_i W_i^*||_A <= sum w_i c_i r_i + ||e||_A, e the rounding of the mean W *)
Theorem mixture_distance ks e : (forall k, In k ks -> 0 <= w k /\ 0 <= c k) ->
  (forall k v, In k ks -> norm A v <= c k * norm (A_ k) v) ->
  (forall k, In k ks -> norm (A_ k) (less (W k) (optimum k)) <= r k) ->
  norm A (less (plus (combination W ks) e) (combination optimum ks))
    <= total (fun k => w k * (c k * r k)) ks + norm A e.
Proof.
  intros pos carry near.
  replace (less (plus (combination W ks) e) (combination optimum ks))
    with (plus (combination (fun k => less (W k) (optimum k)) ks) e).
  - apply Rle_trans with (1 := norm_triangle A _ _ A_nonneg). apply Rplus_le_compat_r.
    apply Rle_trans with (1 := combination_norm _ ks (fun k hk => proj1 (pos k hk))).
    apply total_le. intros k hk. destruct (pos k hk) as [wp cp]. apply Rmult_le_compat_l; [exact wp|].
    apply Rle_trans with (1 := carry k _ hk). apply Rmult_le_compat_l; [exact cp | now apply near].
  - rewrite <- combination_less. unfold less. rewrite <- !plus_assoc. f_equal. apply plus_comm.
Qed.
End Mixture.
