(* A distance under a convex penalty h that need not be smooth: Theorem 1 with a subgradient. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Rounded Code gsc_remainder distance_from_decrement.
Local Open Scope R_scope.

Section Composite.
Context {V : ModuleSpace R_Ring}.

(** xi is a subgradient of h at x *)
Definition subgradient (h : V -> R) (x : V) (xi : V -> R) := forall v, h x + xi v <= h (plus x v).

Lemma monotone (h : V -> R) w d (xi0 xi1 : V -> R) :
  subgradient h w xi0 -> subgradient h (plus w d) xi1 -> xi1 (opp d) = - xi1 d -> 0 <= xi1 d - xi0 d.
Proof.
  intros S0 S1 lin. specialize (S0 d). specialize (S1 (opp d)).
  rewrite <- plus_assoc, plus_opp_r, plus_zero_r, lin in S1. lra.
Qed.

(** Theorem 1 for F + h: w + d is its optimum (minus the gradient there is a subgradient of h), xi0
    is any subgradient at w, nu bounds g + xi0. *)
Theorem composite_decrement (h : V -> R) w {d : V} {t} (F : piece d t) (xi0 : V -> R) nu L :
  0 <= t -> 0 <= nu -> 0 <= L -> L * nu < 1 ->
  t <= L * norm (hess F 0) d ->
  subgradient h w xi0 ->
  within (hess F 0) (fun u => grad F 0 u + xi0 u) nu ->
  subgradient h (plus w d) (fun u => - grad F 1 u) ->
  grad F 1 (opp d) = - grad F 1 d ->
  norm (hess F 0) d <= distance nu L /\ t <= - ln (1 - L * nu).
Proof.
  intros tp np Lp small tL S0 W S1 lin.
  apply (decrement_core F xi0 (fun u => - grad F 1 u)); trivial; [|lra].
  apply (monotone h w d xi0 (fun u => - grad F 1 u)); trivial. rewrite lin. ring.
Qed.

(** The same in the norms of a model B and of the noise: ||d||_A <= c e^{T/2} r_H *)
Theorem composite_distance (h : V -> R) w {d : V} {t} (F : piece d t) (xi0 : V -> R) A B T c nu L :
  0 <= t -> 0 <= nu -> 0 <= L -> 0 <= c -> nonneg B ->
  L * exp (T / 2) * (nu * exp (T / 2)) < 1 ->
  near T B (hess F 0) ->
  t <= L * norm B d ->
  subgradient h w xi0 ->
  within B (fun u => grad F 0 u + xi0 u) nu ->
  subgradient h (plus w d) (fun u => - grad F 1 u) ->
  grad F 1 (opp d) = - grad F 1 d ->
  (forall v, norm A v <= c * norm B v) ->
  norm A d <= c * (exp (T / 2) * distance (nu * exp (T / 2)) (L * exp (T / 2))).
Proof.
  intros tp np Lp cp BP small model tL S0 W S1 lin carry.
  assert (P := exp_pos (T / 2)).
  assert (N : norm B d <= exp (T / 2) * norm (hess F 0) d) by now apply near_norm.
  destruct (composite_decrement h w F xi0 (nu * exp (T / 2)) (L * exp (T / 2))) as [X _]; trivial; try nra.
  - now apply (near_within T B).
  - apply Rle_trans with (1 := carry d). apply Rmult_le_compat_l; [exact cp|].
    apply Rle_trans with (1 := N). apply Rmult_le_compat_l; [lra | exact X].
Qed.

(** The code: `composite_distance` is c times the second value of `distance_remainder`. *)
Theorem code_composite o finite (h : V -> R) w {d : V} {t} (F : piece d t) (xi0 : V -> R) A B T c nu L
    spread q r :
  0 <= t -> 0 <= nu -> 0 <= L -> 0 <= c -> 0 <= T -> nonneg B -> up o 0 4 < 1 / 100000000 ->
  near T B (hess F 0) ->
  t <= L * norm B d ->
  subgradient h w xi0 ->
  within B (fun u => grad F 0 u + xi0 u) nu ->
  subgradient h (plus w d) (fun u => - grad F 1 u) ->
  grad F 1 (opp d) = - grad F 1 d ->
  (forall v, norm A v <= c * norm B v) ->
  Code.distance_remainder o finite nu L T spread = Some (q, r) ->
  norm A d <= up o (c * r) 4.
Proof.
  intros tp np Lp cp Tp BP zero model tL S0 W S1 lin carry.
  unfold Code.distance_remainder. cbv zeta. destruct (Rlt_dec 100 T); [discriminate|].
  assert (P := exp_pos (T / 2)). set (half := exp (T / 2)) in *.
  set (k := half * (1 + 1 / 10000000000000)). assert (hk : half <= k) by (unfold k; lra).
  assert (N : norm B d <= half * norm (hess F 0) d) by now apply near_norm.
  assert (U1 : nu * half <= up o (nu * k) 4) by (apply lift_up; now apply Rmult_le_compat_l).
  assert (U2 : L * half <= up o (L * k) 4) by (apply lift_up; now apply Rmult_le_compat_l).
  set (nu' := up o (nu * k) 4) in *. set (L' := up o (L * k) 4) in *. clearbody nu' L'.
  assert (n0 : 0 <= nu * half) by (apply Rmult_le_pos; lra).
  assert (l0 : 0 <= L * half) by (apply Rmult_le_pos; lra).
  destruct (Code.distance_from_decrement o nu' L') as [[r_H t1]|] eqn:code; [|discriminate]. cbn [bind].
  destruct (code_distance o nu' L' r_H t1 ltac:(lra) ltac:(lra) zero code) as [small [dr _]].
  destruct (composite_decrement h w F xi0 nu' L') as [X _]; trivial; try lra.
  { apply Rle_trans with (1 := tL). apply Rle_trans with (L * half * norm (hess F 0) d).
    - rewrite Rmult_assoc. now apply Rmult_le_compat_l.
    - apply Rmult_le_compat_r; [apply norm_pos | exact U2]. }
  { apply (within_weaken _ _ (nu * half)); [exact U1 | now apply (near_within T B)]. }
  assert (R1 : norm B d <= up o (k * r_H) 4).
  { apply lift_up. apply Rle_trans with (1 := N). apply Rmult_le_compat; try lra. apply norm_pos. }
  intros E. assert (r = up o (k * r_H) 4) as ->.
  { destruct (finite r_H); [|discriminate].
    destruct (Code.gsc_remainder o t1); [|discriminate]. cbn [bind] in E.
    destruct spread as [[L_G size] c_G]. destruct (finite L_G); [|now injection E].
    match type of E with context [if ?b then _ else _] => destruct b end; [|now injection E].
    match type of E with context [Code.gsc_remainder o ?x] => destruct (Code.gsc_remainder o x) end;
      [|discriminate]. now injection E. }
  apply lift_up. apply Rle_trans with (1 := carry d). now apply Rmult_le_compat_l.
Qed.

(** A part of the gradient known in the norm of H only is added to nu. *)
Theorem subgradient_split B (f g : V -> R) nu e : within B f nu -> within B g e ->
  within B (fun u => f u + g u) (nu + e).
Proof. apply within_sum. Qed.
End Composite.

(** ** One entry of the L1 penalty *)

(** xi is a subgradient of lam |.| at w *)
Definition slope_of_abs lam w xi := forall y, lam * Rabs w + xi * (y - w) <= lam * Rabs y.

Lemma slope_nonzero lam w : 0 <= lam -> w <> 0 -> slope_of_abs lam w (lam * (w / Rabs w)).
Proof.
  intros lp wn y. assert (P : 0 < Rabs w) by now apply Rabs_pos_lt.
  assert (A := RRle_abs y). assert (B := RRle_abs (- y)). rewrite Rabs_Ropp in B.
  destruct (Rle_dec 0 w) as [H|H].
  - rewrite (Rabs_pos_eq w) in * by exact H. replace (w / w) with 1 by (field; lra). nra.
  - rewrite (Rabs_left w) in * by lra. replace (w / - w) with (-1) by (field; lra). nra.
Qed.

Lemma slope_zero lam xi : Rabs xi <= lam -> slope_of_abs lam 0 xi.
Proof.
  intros H y. rewrite Rabs_R0, Rminus_0_r, Rmult_0_r, Rplus_0_l.
  apply Rle_trans with (1 := RRle_abs _). rewrite Rabs_mult.
  apply Rmult_le_compat_r; [apply Rabs_pos | exact H].
Qed.

Lemma sign_pos x : 0 < x -> sign x = 1.
Proof. intros H. unfold sign. destruct total_order_T as [[|]|]; lra. Qed.
Lemma sign_neg x : x < 0 -> sign x = -1.
Proof. intros H. unfold sign. destruct total_order_T as [[|]|]; lra. Qed.

(** The code's soft threshold, case by case *)
Lemma soft_cases g lam : 0 <= lam ->
  soft g lam = if Rlt_dec lam g then g - lam else if Rlt_dec g (- lam) then g + lam else 0.
Proof.
  intros lp. unfold soft. cbv zeta. destruct (Rlt_dec lam g).
  - rewrite sign_pos, Rabs_pos_eq, Rmax_left by lra. ring.
  - destruct (Rlt_dec g (- lam)).
    + rewrite sign_neg, Rabs_left, Rmax_left by lra. ring.
    + rewrite Rmax_right; [ring|]. assert (Rabs g <= lam) by (apply Rabs_le; lra). lra.
Qed.

Lemma soft_lipschitz g g' lam : 0 <= lam -> Rabs (soft g lam - soft g' lam) <= Rabs (g - g').
Proof.
  intros lp. rewrite !soft_cases by exact lp.
  destruct (Rlt_dec lam g), (Rlt_dec lam g'), (Rlt_dec g (- lam)), (Rlt_dec g' (- lam));
    unfold Rabs; repeat destruct Rcase_abs; lra.
Qed.

Lemma soft_small g lam : 0 <= lam -> Rabs (soft g lam) <= Rmax (Rabs g - lam) 0.
Proof.
  intros lp. rewrite soft_cases by exact lp. unfold Rmax.
  destruct (Rlt_dec lam g), (Rlt_dec g (- lam)), Rle_dec;
    unfold Rabs in *; repeat destruct Rcase_abs; lra.
Qed.

(** Statement 1, entry by entry, v and e as the code has them in exact arithmetic; [rounding] is any
    number that is not negative. *)
Theorem subgradient_within w lam gradient allowance rounding g :
  0 <= lam -> 0 <= rounding -> Rabs (g - gradient) <= allowance ->
  let v := least_subgradient gradient w lam in
  let beyond := subgradient_within_beyond allowance gradient lam rounding in
  let e := subgradient_within_wrong w allowance beyond in
  exists xi, slope_of_abs lam w xi /\ Rabs (g + xi - v) <= e + rounding
    /\ (w = 0 -> Rabs gradient + allowance + rounding <= lam -> g + xi - v = 0).
Proof.
  intros lp rp close v beyond e.
  assert (ap : 0 <= allowance) by (assert (X := Rabs_pos (g - gradient)); lra).
  assert (G : Rabs g <= Rabs gradient + allowance).
  { replace g with (gradient + (g - gradient)) at 1 by ring.
    apply Rle_trans with (1 := Rabs_triang _ _). lra. }
  unfold v, e, least_subgradient, subgradient_within_wrong.
  destruct (Req_EM_T w 0) as [->|N].
  - assert (Z : forall x, Rabs x <= lam -> soft x lam = 0).
    { intros x hx. apply Rabs_le_between in hx. rewrite soft_cases by exact lp.
      destruct (Rlt_dec lam x), (Rlt_dec x (- lam)); lra. }
    exists (soft g lam - g). split; [|split].
    + apply slope_zero. rewrite soft_cases by exact lp. destruct (Rlt_dec lam g), (Rlt_dec g (- lam));
        unfold Rabs; destruct Rcase_abs; lra.
    + replace (g + (soft g lam - g) - soft gradient lam) with (soft g lam - soft gradient lam) by ring.
      assert (L := soft_lipschitz g gradient lam lp). apply Rle_trans with (Rmin allowance beyond); [|lra].
      apply Rmin_glb; [lra|]. unfold beyond, subgradient_within_beyond.
      destruct (Rle_dec (Rabs gradient) lam) as [small|large].
      * rewrite (Z gradient small), Rminus_0_r. apply Rle_trans with (1 := soft_small g lam lp).
        apply Rle_max_compat_r. lra.
      * apply Rle_trans with (2 := Rmax_l _ _). lra.
    + intros _ inside. rewrite (Z g), (Z gradient) by lra. ring.
  - exists (lam * sign w).
    replace (g + lam * sign w - (gradient + lam * sign w)) with (g - gradient) by ring.
    split; [|split; [lra | contradiction]].
    replace (sign w) with (w / Rabs w); [now apply slope_nonzero|].
    destruct (Rlt_dec 0 w).
    + rewrite sign_pos, Rabs_pos_eq by lra. field. lra.
    + rewrite sign_neg, Rabs_left by lra. field. lra.
Qed.
