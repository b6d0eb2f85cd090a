(* (4a), (4b) and the remainder function phi, for any function that is generalised self-concordant
   along a segment. *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Interval Require Import Tactic.
From Formal Require Import Analysis Forms Rounded Code.
Local Open Scope R_scope.

(** phi t = (exp t - 1 - t) / t, 0 at 0 *)
Definition phi t := if Req_EM_T t 0 then 0 else (exp t - 1 - t) / t.

Lemma phi_0 : phi 0 = 0.
Proof. unfold phi. destruct (Req_EM_T 0 0); [reflexivity | lra]. Qed.

Lemma phi_at t : t <> 0 -> phi t = (exp t - 1 - t) / t.
Proof. intros H. unfold phi. destruct (Req_EM_T t 0); [contradiction | reflexivity]. Qed.

Lemma t_phi t : t * phi t = exp t - 1 - t.
Proof.
  destruct (Req_dec t 0) as [->|N].
  - rewrite phi_0, exp_0. ring.
  - rewrite phi_at by exact N. field. exact N.
Qed.

Lemma phi_nonneg t : 0 <= t -> 0 <= phi t.
Proof.
  intros [P|<-]; [|rewrite phi_0; lra].
  apply (Rmult_le_reg_l t); [exact P|]. rewrite t_phi, Rmult_0_r.
  assert (E := exp_ineq1_le t). lra.
Qed.

(** phi is int_0^1 (exp (t a) - 1) da: its primitive in a, from 0 to 1 *)
Definition primitive t a := if Req_EM_T t 0 then 0 else (exp (t * a) - 1) / t - a.

Lemma primitive_derive t a : is_derive (primitive t) a (exp (t * a) - 1).
Proof.
  unfold primitive. destruct (Req_EM_T t 0) as [->|N].
  - rewrite Rmult_0_l, exp_0, Rminus_diag_eq by reflexivity. apply @is_derive_const.
  - auto_derive; [easy | field; exact N].
Qed.

Lemma primitive_ends t : primitive t 1 - primitive t 0 = phi t.
Proof.
  unfold primitive, phi. destruct (Req_EM_T t 0) as [->|N]; [ring|].
  rewrite Rmult_0_r, exp_0, Rmult_1_r. field. exact N.
Qed.

Theorem phi_is_the_integral t : is_RInt (fun a => exp (t * a) - 1) 0 1 (phi t).
Proof.
  rewrite <- primitive_ends.
  apply (is_RInt_derive (primitive t) (fun a => exp (t * a) - 1)).
  - intros a _. apply primitive_derive.
  - intros a _. apply (ex_derive_continuous (fun a => exp (t * a) - 1)). auto_derive; easy.
Qed.

Lemma phi_rises s t : 0 <= s -> s <= t -> phi s <= phi t.
Proof.
  intros sp st. destruct sp as [sp|<-]; [|rewrite phi_0; apply phi_nonneg; lra].
  rewrite !phi_at by lra.
  apply (rises (fun x => (exp x - 1 - x) / x) (fun x => (x * exp x - exp x + 1) / (x * x)));
    [exact st | |].
  - intros x hx. auto_derive; [lra | field; lra].
  - intros x hx. apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat; nra].
    assert (E := exp_ineq1_le (- x)). assert (C := exp_cancel x). assert (P := exp_pos x). nra.
Qed.

(** ** Self-concordance along a segment: F'(w + a v) u, F''(w + a v) and F'''(w + a v)[u, u, v] *)

Record piece {V : ModuleSpace R_Ring} (v : V) (t : R) := {
  grad : R -> V -> R;
  hess : R -> form V;
  third : R -> V -> R;
  grad_derive : forall a u, is_derive (fun a => grad a u) a (hess a v u);
  hess_derive : forall a u, is_derive (fun a => hess a u u) a (third a u);
  hess_pos : forall a, nonneg (hess a);
  concordant : forall a u, Rabs (third a u) <= t * hess a u u }.
Arguments grad {V v t}. Arguments hess {V v t}. Arguments third {V v t}.
Arguments grad_derive {V v t}. Arguments hess_derive {V v t}.
Arguments hess_pos {V v t}. Arguments concordant {V v t}.

Section Segment.
Context {V : ModuleSpace R_Ring} {v : V} {t : R} (F : piece v t).

Lemma curvature_above a u : 0 <= a -> hess F a u u <= exp (t * a) * hess F 0 u u.
Proof.
  intros ha. apply (factor_above (fun a => hess F a u u) (fun a => third F a u)); [exact ha | |];
    intros x _; [apply hess_derive | apply concordant].
Qed.

Lemma curvature_below a u : 0 <= a -> exp (- (t * a)) * hess F 0 u u <= hess F a u u.
Proof.
  intros ha. apply (factor_below (fun a => hess F a u u) (fun a => third F a u)); [exact ha | |];
    intros x _; [apply hess_derive | apply concordant].
Qed.

(** (4a) *)
Theorem hessian_near a : 0 <= a -> near (t * a) (hess F 0) (hess F a).
Proof.
  intros ha. split; intros u; [now apply curvature_above | now apply curvature_below].
Qed.

(** (4b): ||F'(w + v) - F'(w) - H v||_{H^{-1}} <= phi(t) ||v||_H *)
Theorem gradient_remainder : 0 <= t ->
  within (hess F 0) (fun u => grad F 1 u - grad F 0 u - hess F 0 v u) (phi t * norm (hess F 0) v).
Proof.
  intros tp u. set (N := norm (hess F 0) v * norm (hess F 0) u).
  replace (grad F 1 u - grad F 0 u - hess F 0 v u)
    with ((grad F 1 u - 1 * hess F 0 v u) - (grad F 0 u - 0 * hess F 0 v u)) by ring.
  replace (phi t * norm (hess F 0) v * norm (hess F 0) u)
    with (primitive t 1 * N - primitive t 0 * N)
    by (rewrite <- Rmult_minus_distr_r, primitive_ends; unfold N; ring).
  apply (slower (fun a => grad F a u - a * hess F 0 v u) (fun a => hess F a v u - hess F 0 v u)
           (fun a => primitive t a * N) (fun a => (exp (t * a) - 1) * N)); [lra | | |].
  - intros a _. assert (D := grad_derive F a u).
    apply (is_derive_minus (fun a => grad F a u) (fun a => a * hess F 0 v u)); [exact D|].
    generalize (hess F 0 v u). intros k. auto_derive; [easy | ring].
  - intros a _. assert (D := primitive_derive t a). unfold N. generalize (norm (hess F 0) v * norm (hess F 0) u).
    intros k. derive_with D.
  - intros a ha. apply near_difference; [apply hess_pos | nra | apply hessian_near; lra].
Qed.
End Segment.

(** ** The value the code returns *)

Ltac by_derivative d := apply (stays _ d 0.02);
  [rewrite ?exp_0; lra | intros; auto_derive; [easy | field] | ].

Lemma series_near_0 : forall t, 0 <= t <= 0.02 ->
  0 <= t^2/2 + t^3/6 + t^4/24 + t^5/120 + t^6/700 - (exp t - 1 - t).
Proof.
  by_derivative (fun t => t + t^2/2 + t^3/6 + t^4/24 + 6*t^5/700 - (exp t - 1)).
  by_derivative (fun t => 1 + t + t^2/2 + t^3/6 + 30*t^4/700 - exp t).
  by_derivative (fun t => 1 + t + t^2/2 + 120*t^3/700 - exp t).
  by_derivative (fun t => 1 + t + 360*t^2/700 - exp t).
  by_derivative (fun t => 1 + 720*t/700 - exp t).
  by_derivative (fun t => 720/700 - exp t).
  intros x hx. assert (E := exp_ineq1_le (- x)). assert (C := exp_cancel x). assert (P := exp_pos x). nra.
Qed.

(** The polynomial that the code uses below 0.01 is above phi. *)
Theorem series_above t : 0 < t <= 0.02 ->
  phi t <= t/2 + t^2/6 + t^3/24 + t^4/120 + t^5/700.
Proof.
  intros ht. apply (Rmult_le_reg_l t); [lra|]. rewrite t_phi.
  assert (S := series_near_0 t ltac:(lra)). lra.
Qed.

(** ... and stays above it up to 0.19, as the page says (this one by interval arithmetic). *)
Theorem series_above_phi t : 0 < t <= 0.19 ->
  phi t <= t/2 + t^2/6 + t^3/24 + t^4/120 + t^5/700.
Proof.
  intros ht. apply (Rmult_le_reg_l t); [lra|]. rewrite t_phi.
  assert (0 <= t^2/2 + t^3/6 + t^4/24 + t^5/120 + t^6/700 - (exp t - 1 - t)).
  { destruct (Rle_dec t 0.02) as [small|large].
    - apply series_near_0; lra.
    - assert (0.02 <= t <= 0.19) by lra.
      interval with (i_bisect t, i_taylor t, i_prec 100, i_degree 12, i_depth 40). }
  lra.
Qed.

Theorem code_remainder o t q : 0 <= t -> Code.gsc_remainder o t = Some q -> phi t <= q.
Proof.
  intros tp. unfold Code.gsc_remainder. destruct (Req_EM_T t 0) as [->|N].
  { intros H; injection H as <-. rewrite phi_0. lra. }
  destruct (Rlt_dec t (1 / 100)) as [small|large].
  - intros H; injection H as <-. apply lift_up.
    assert (S := series_above t ltac:(lra)). lra.
  - destruct (Rlt_dec 700 t); [discriminate|]. intros H; injection H as <-.
    assert (P := phi_nonneg t tp). rewrite phi_at in * by exact N. lra.
Qed.

(** The edge: what the page says up to 0.19 is false at 0.21. *)
Lemma series_fails_at_0_21 : let t := 0.21 in
  t/2 + t^2/6 + t^3/24 + t^4/120 + t^5/700 < (exp t - 1 - t) / t.
Proof. cbv zeta. interval with (i_prec 80). Qed.
