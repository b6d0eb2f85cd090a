(* Two centred Gaussians that almost agree: the scalar inequalities and the code's formula. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Rounded Code.
Local Open Scope R_scope.

(** |lambda| <= eta/(1 - eta) for eigenvalues 1 + lambda of the inverse *)
Theorem inverse_eigenvalue p eta : 0 <= eta < 1 -> Rabs (p - 1) <= eta -> Rabs (/ p - 1) <= eta / (1 - eta).
Proof.
  intros he hp. apply Rabs_le_between in hp. assert (P : 0 < 1 - eta) by lra.
  replace (/ p - 1) with ((1 - p) / p) by (field; lra).
  apply Rabs_le. split.
  - apply (Rmult_le_reg_r p); [lra|]. unfold Rdiv at 2. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    assert (eta <= eta / (1 - eta) * p); [|lra].
    apply (Rmult_le_reg_r (1 - eta)); [exact P|].
    replace (eta / (1 - eta) * p * (1 - eta)) with (eta * p) by (field; lra). nra.
  - apply (Rmult_le_reg_r p); [lra|]. unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    assert (eta <= eta / (1 - eta) * p); [|lra].
    apply (Rmult_le_reg_r (1 - eta)); [exact P|].
    replace (eta / (1 - eta) * p * (1 - eta)) with (eta * p) by (field; lra). nra.
Qed.

Lemma ln_below x : 0 < x -> ln x <= x - 1.
Proof.
  intros P. assert (E := exp_ineq1_le (ln x)). rewrite exp_ln in E by exact P. lra.
Qed.

(** The mean of the log ratio under the first law *)
Theorem mean_first lambda e : 0 <= e < 1 -> Rabs lambda <= e ->
  ln (1 + lambda) - lambda / (1 + lambda) <= lambda * lambda / (1 - e).
Proof.
  intros he hl. apply Rabs_le_between in hl. assert (L := ln_below (1 + lambda) ltac:(lra)).
  apply Rle_trans with (lambda * lambda / (1 + lambda)).
  - replace (lambda * lambda / (1 + lambda)) with (lambda - lambda / (1 + lambda)) by (field; lra). lra.
  - apply Rmult_le_compat_l; [apply Rle_0_sqr | apply Rinv_le_contravar; lra].
Qed.

(** ... and under the second *)
Theorem mean_second lambda e : 0 <= e < 1 -> Rabs lambda <= e ->
  lambda - ln (1 + lambda) <= lambda * lambda / (2 * (1 - e)).
Proof.
  intros he hl. apply Rabs_le_between in hl.
  set (f := fun x => x * x / (2 * (1 - e)) - x + ln (1 + x)).
  set (f' := fun x => x * (/ (1 - e) - / (1 + x))).
  assert (D : forall x, - e <= x -> is_derive f x (f' x)).
  { intros x hx. unfold f, f'. auto_derive; [repeat split; lra | field; lra]. }
  assert (Z : f 0 = 0) by (unfold f; rewrite Rplus_0_r, ln_1; field; lra).
  assert (F : 0 <= f lambda); [|unfold f in F; lra].
  destruct (Rle_dec 0 lambda) as [P|N].
  - rewrite <- Z. apply (rises f f'); [exact P | intros; apply D; lra |].
    intros x hx. unfold f'. apply Rmult_le_pos; [lra|].
    assert (/ (1 + x) <= / (1 - e)) by (apply Rinv_le_contravar; lra). lra.
  - assert (M : - f lambda <= - f 0).
    { apply (rises (fun x => - f x) (fun x => - f' x)); [lra | |].
      - intros x hx. apply (is_derive_opp f), D. lra.
      - intros x hx. unfold f'. assert (/ (1 + x) <= / (1 - e)) by (apply Rinv_le_contravar; lra).
        nra. }
    rewrite Z in M. lra.
Qed.

(** The log moment generating function of a (z^2 - 1), y = 2 u a *)
Theorem log_mgf y : -1 < y < 1 -> - ln (1 - y) / 2 - y / 2 <= y * y / (4 * (1 - Rabs y)).
Proof.
  intros hy.
  set (f := fun s x => x * x / (2 * (1 - x)) + ln (1 - s * x) + s * x).
  (* for x = |y| and s = 1 or -1 *)
  assert (F : forall s x, s = 1 \/ s = -1 -> 0 <= x < 1 -> 0 <= f s x).
  { intros s x hs hx.
    apply (stays (f s) (fun x => x * (2 - x) / (2 * ((1 - x) * (1 - x))) - s / (1 - s * x) + s) x); [| | |lra].
    - unfold f. replace (1 - s * 0) with 1 by ring. rewrite ln_1. right. field.
    - intros w hw. unfold f. destruct hs as [->| ->]; auto_derive; try (repeat split; lra); field; lra.
    - intros w hw. destruct hs as [->| ->].
      + replace (w * (2 - w) / (2 * ((1 - w) * (1 - w))) - 1 / (1 - 1 * w) + 1)
          with (w * w / (2 * ((1 - w) * (1 - w)))) by (field; lra).
        apply Rmult_le_pos; [apply Rle_0_sqr | left; apply Rinv_0_lt_compat; nra].
      + replace (w * (2 - w) / (2 * ((1 - w) * (1 - w))) - -1 / (1 - -1 * w) + -1)
          with (w * (w * (3 - w) - 2 * w * (1 - w) * (1 - w) + (2 - w) - 2 * (1 - w) * (1 - w) - w * (3 - w) + 2 * w * ((1 - w) * (1 - w)) + w * (2 - w)) / (2 * ((1 - w) * (1 - w)) * (1 + w)))
          by (field; lra).
        apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat; apply Rmult_lt_0_compat; nra].
        nra. }
  destruct (Rle_dec 0 y) as [P|N].
  - rewrite (Rabs_pos_eq y P). assert (X := F 1 y ltac:(now left) ltac:(lra)). unfold f in X.
    rewrite !Rmult_1_l in X. replace (y * y / (4 * (1 - y))) with (y * y / (2 * (1 - y)) / 2) by (field; lra). lra.
  - rewrite (Rabs_left y) by lra. assert (X := F (-1) (- y) ltac:(now right) ltac:(lra)). unfold f in X.
    replace (-1 * - y) with y in X by ring.
    replace (y * y / (4 * (1 - - y))) with (- y * - y / (2 * (1 - - y)) / 2) by (field; lra). lra.
Qed.

(** Chernoff: at the best u, u^2 v/(1 - b u) - u (2 sqrt(v x) + b x) is at most -x *)
Theorem chernoff v b x : 0 < v -> 0 <= b -> 0 < x ->
  let u := sqrt x / (sqrt v + b * sqrt x) in
  0 < u /\ b * u < 1 /\ u * u * v / (1 - b * u) - u * (2 * sqrt (v * x) + b * x) <= - x.
Proof.
  intros vp bp xp u. rewrite sqrt_mult by lra.
  assert (S := sqrt_lt_R0 v vp). assert (X := sqrt_lt_R0 x xp).
  assert (V : sqrt v * sqrt v = v) by (apply sqrt_sqrt; lra).
  assert (Y : sqrt x * sqrt x = x) by (apply sqrt_sqrt; lra).
  set (s := sqrt v) in *. set (r := sqrt x) in *.
  assert (D : 0 < s + b * r) by nra.
  assert (B : 1 - b * u = s / (s + b * r)) by (unfold u; field; lra).
  split; [now apply Rdiv_lt_0_compat|]. split.
  - assert (0 < s / (s + b * r)) by now apply Rdiv_lt_0_compat. lra.
  - rewrite B, <- V, <- Y. right. unfold u. field. split; lra.
Qed.

(** e^2/(2 (1 - e)) <= f^2/2 for f = e/(1 - e): the means cost at most 2 v *)
Theorem mean_in_f e : 0 <= e < 1 -> e * e / (2 * (1 - e)) <= (e / (1 - e)) * (e / (1 - e)) / 2.
Proof.
  intros he. assert (I : 0 < / (1 - e)) by (apply Rinv_0_lt_compat; lra).
  replace (e * e / (2 * (1 - e))) with (e * e * / (1 - e) / 2) by (field; lra).
  replace (e / (1 - e) * (e / (1 - e)) / 2) with (e * e * / (1 - e) / 2 * / (1 - e)) by (field; lra).
  assert (1 <= / (1 - e)) by (rewrite <- Rinv_1; apply Rinv_le_contravar; lra).
  assert (0 <= e * e * / (1 - e) / 2) by (assert (0 <= e * e) by apply Rle_0_sqr; nra). nra.
Qed.

(** f(s eta) <= s f(eta) for s <= 1, f(eta) = eta/(1 - 2 eta): smaller differences count by their square. *)
Theorem convex_f s eta : 0 <= s <= 1 -> 0 <= eta < 1 / 2 ->
  s * eta / (1 - 2 * (s * eta)) <= s * (eta / (1 - 2 * eta)).
Proof.
  intros hs he. unfold Rdiv. rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|].
  apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; nra.
Qed.

(** The code's formulas, with any upward rounding *)
Theorem code_joint o v f x : 2 * v + 2 * sqrt (v * x) + f * x <= Code.joint_drift o v f x.
Proof. unfold Code.joint_drift. cbv zeta. apply above. Qed.

Theorem code_drift o eta N x value : 0 <= eta -> 0 <= N -> 0 <= x ->
  Code.covariance_drift o eta N x = Some value ->
  let e := eta / (1 - eta) in
  let f := e / (1 - e) in
  let v := N * f * f / 4 in
  up o e 4 < 1 ->
  2 * v + 2 * sqrt (v * x) + f * x <= value.
Proof.
  intros hep hN hx. unfold Code.covariance_drift. cbv zeta.
  destruct (Rle_dec (1 / 4) eta) as [|small]; [discriminate|]. intros H lt1. injection H as <-.
  set (e := eta / (1 - eta)) in *. assert (ep : 0 <= e)
    by (unfold e; apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra]).
  assert (U := above o e 4). set (e' := up o e 4) in *. clearbody e'.
  assert (W := above o (e' / (1 - e')) 4). set (f' := up o (e' / (1 - e')) 4) in *. clearbody f'.
  assert (I : / (1 - e) <= / (1 - e')) by (apply Rinv_le_contravar; lra).
  assert (I0 : 0 < / (1 - e)) by (apply Rinv_0_lt_compat; lra).
  set (f := e / (1 - e)). assert (f0 : 0 <= f) by (unfold f; apply Rmult_le_pos; lra).
  assert (F : f <= f').
  { apply Rle_trans with (2 := W). unfold f, Rdiv. apply Rmult_le_compat; lra. }
  set (v := N * f * f / 4). set (v' := up o (1 / 4 * N * f' * f') 4).
  assert (V : v <= v').
  { apply lift_up. unfold v. assert (f * f <= f' * f') by (apply Rmult_le_compat; lra). nra. }
  assert (v0 : 0 <= v) by (unfold v; assert (0 <= f * f) by apply Rle_0_sqr; nra).
  apply Rle_trans with (2 := code_joint o v' f' x).
  assert (S : sqrt (v * x) <= sqrt (v' * x)) by (apply sqrt_le_1_alt; now apply Rmult_le_compat_r).
  assert (f * x <= f' * x) by now apply Rmult_le_compat_r. lra.
Qed.
