(* Constants of the losses, as certunlearn/pointwise.py and losses.py have them, and the objective:
   a weighted sum of rows plus a quadratic penalty is generalised self-concordant along a segment. *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Code gsc_remainder.
Local Open Scope R_scope.

(** A loss of one margin by its derivatives, |l'''| <= R l''. *)
Record loss (R0 : R) := {
  l0 : R -> R; l1 : R -> R; l2 : R -> R; l3 : R -> R;
  d0 : forall z, is_derive l0 z (l1 z);
  d1 : forall z, is_derive l1 z (l2 z);
  d2 : forall z, is_derive l2 z (l3 z);
  convex : forall z, 0 <= l2 z;
  bounded_third : forall z, Rabs (l3 z) <= R0 * l2 z }.
Arguments l0 {R0}. Arguments l1 {R0}. Arguments l2 {R0}. Arguments l3 {R0}.
Arguments d0 {R0}. Arguments d1 {R0}. Arguments d2 {R0}. Arguments convex {R0}.
Arguments bounded_third {R0}.

(** ** Sigmoid *)

Definition sg z := / (1 + exp (- z)).

Lemma den_pos z : 0 < 1 + exp (- z). Proof. assert (H := exp_pos (- z)). lra. Qed.

Lemma sg_range z : 0 < sg z < 1.
Proof.
  assert (H := exp_pos (- z)). unfold sg. split; [apply Rinv_0_lt_compat; lra|].
  apply (Rmult_lt_reg_l (1 + exp (- z))); [lra|]. rewrite Rinv_r; lra.
Qed.

Lemma sg_opp z : sg (- z) = 1 - sg z.
Proof.
  unfold sg. rewrite Ropp_involutive, exp_Ropp. assert (H := exp_pos z). field. lra.
Qed.

Lemma sg_derive z : is_derive sg z (sg z * (1 - sg z)).
Proof. assert (H := den_pos z). unfold sg. auto_derive; [lra | field; lra]. Qed.

Lemma sigmoid_is z : sigmoid z = sg z.
Proof.
  unfold sigmoid, sg. cbv zeta. destruct (Rle_dec 0 z) as [P|N].
  - rewrite (Rabs_pos_eq z P). assert (H := exp_pos (- z)). field. lra.
  - rewrite (Rabs_left z), Ropp_involutive, exp_Ropp by lra. assert (H := exp_pos z). field. lra.
Qed.

Definition bump z := sg z * (1 - sg z).

Lemma bump_derive z : is_derive bump z (bump z * (1 - 2 * sg z)).
Proof. assert (D := sg_derive z). unfold bump. derive_with D. Qed.

Lemma bump_range z : 0 <= bump z <= 1 / 4.
Proof.
  assert (H := sg_range z). assert (Q := Rle_0_sqr (sg z - 1 / 2)). unfold Rsqr in Q. unfold bump. nra.
Qed.

Lemma bump_third z : Rabs (bump z * (1 - 2 * sg z)) <= bump z.
Proof.
  assert (H := sg_range z). assert (P := bump_range z).
  rewrite Rabs_mult, (Rabs_pos_eq (bump z)) by lra.
  rewrite <- (Rmult_1_r (bump z)) at 2. apply Rmult_le_compat_l; [lra|]. apply Rabs_le. lra.
Qed.

Lemma softplus_derive z : is_derive (fun z => ln (1 + exp z)) z (sg z).
Proof.
  assert (H := exp_pos z). auto_derive; [lra|]. unfold sg. rewrite exp_Ropp. field. lra.
Qed.

Lemma softplus_is z : softplus z = ln (1 + exp z).
Proof.
  assert (H := exp_pos z). assert (P := exp_pos (- z)). unfold softplus. destruct (Rle_dec 0 z) as [N|N].
  - rewrite Rmax_left, (Rabs_pos_eq z N) by exact N. rewrite <- (ln_exp z) at 1.
    rewrite <- ln_mult by lra. f_equal. rewrite Rmult_plus_distr_l, <- exp_plus, Rplus_opp_r, exp_0. ring.
  - rewrite Rmax_right, (Rabs_left z), Ropp_involutive by lra. ring.
Qed.

Lemma bell_is z : bell z = bump z.
Proof.
  unfold bell, bump, sg. cbv zeta. destruct (Rle_dec 0 z) as [P|N].
  - rewrite (Rabs_pos_eq z P). assert (H := exp_pos (- z)). field. lra.
  - rewrite (Rabs_left z), Ropp_involutive, exp_Ropp by lra. assert (H := exp_pos z). field. lra.
Qed.

(** ** Logistic, labels t = 1 and -1 *)

Definition logistic (t : R) (ht : t * t = 1) : loss Logistic_R.
Proof.
  refine {| l0 := fun z => Logistic_value z t; l1 := fun z => Logistic_slope z t;
            l2 := fun z => Logistic_curvature z t; l3 := fun z => bump z * (1 - 2 * sg z) |}.
  - intros z. unfold Logistic_value, Logistic_slope. rewrite sigmoid_is.
    apply (is_derive_ext (fun z => (fun a => ln (1 + exp a)) (- t * z)));
      [intros; cbv beta; now rewrite softplus_is|].
    replace (- t * sg (- t * z)) with (scal (- t) (sg (- t * z))) by reflexivity.
    apply (is_derive_comp (fun a => ln (1 + exp a)) (fun z => - t * z));
      [apply softplus_derive | auto_derive; [easy | ring]].
  - intros z. apply (is_derive_ext (fun z => - t * sg (- t * z)));
      [intros; unfold Logistic_slope; now rewrite sigmoid_is|].
    assert (D := sg_derive (- t * z)). unfold Logistic_curvature. rewrite bell_is. unfold bump.
    replace (sg z * (1 - sg z)) with (t * t * (sg (- t * z) * (1 - sg (- t * z)))).
    + derive_with D.
    + rewrite ht. assert (t = 1 \/ t = -1) as [->| ->] by (destruct (Req_dec t 1); [now left | right; nra]).
      * replace (-(1) * z) with (- z) by ring. rewrite sg_opp. ring.
      * assert (E : - (-1) * z = z) by lra. rewrite E. ring.
  - intros z. apply (is_derive_ext bump); [|apply bump_derive].
    intros y. unfold Logistic_curvature. now rewrite bell_is.
  - intros z. unfold Logistic_curvature. rewrite bell_is. apply bump_range.
  - intros z. unfold Logistic_curvature, Logistic_R. rewrite bell_is, Rmult_1_l. apply bump_third.
Defined.

Theorem logistic_kappa z t : Logistic_curvature z t <= Logistic_kappa.
Proof.
  unfold Logistic_curvature, Logistic_kappa. rewrite bell_is. apply bump_range.
Qed.

(** ** Squared, Poisson, Gamma *)

Definition squared (t : R) : loss Squared_R.
Proof.
  refine {| l0 := fun z => Squared_value z t; l1 := fun z => Squared_slope z t;
            l2 := fun z => Squared_curvature z t; l3 := fun _ => 0 |};
    unfold Squared_value, Squared_slope, Squared_curvature, Squared_R; intros z.
  - auto_derive; [easy | field].
  - auto_derive; [easy | field].
  - apply @is_derive_const.
  - lra.
  - rewrite Rabs_R0. lra.
Defined.

Theorem squared_kappa z t : Squared_curvature z t <= Squared_kappa.
Proof. unfold Squared_curvature, Squared_kappa. lra. Qed.

Definition poisson (t : R) : loss Poisson_R.
Proof.
  refine {| l0 := fun z => Poisson_value z t; l1 := fun z => Poisson_slope z t;
            l2 := fun z => Poisson_curvature z t; l3 := fun z => exp z |};
    unfold Poisson_value, Poisson_slope, Poisson_curvature, Poisson_R; intros z;
    assert (P := exp_pos z); try (auto_derive; [easy | ring]).
  - lra.
  - rewrite Rabs_pos_eq; lra.
Defined.

Definition gamma_ (t : R) (ht : 0 < t) : loss Gamma_R.
Proof.
  refine {| l0 := fun z => Gamma_value z t; l1 := fun z => Gamma_slope z t;
            l2 := fun z => Gamma_curvature z t; l3 := fun z => - (t * exp (- z)) |};
    unfold Gamma_value, Gamma_slope, Gamma_curvature, Gamma_R; intros z;
    assert (P := exp_pos (- z)); try (auto_derive; [easy | ring]).
  - nra.
  - rewrite Rabs_Ropp, Rabs_pos_eq; nra.
Defined.

(** ** Pseudo-Huber with threshold b *)

Section PseudoHuber.
Variables (b t : R).
Hypothesis hb : 0 < b.

Let root z := PseudoHuber_root b (z - t).

Lemma root_square z : root z * root z = 1 + (z - t) * (z - t) / (b * b).
Proof.
  unfold root, PseudoHuber_root. rewrite sqrt_sqrt; [field; lra|].
  assert (0 <= ((z - t) / b) ^ 2) by (apply pow2_ge_0). lra.
Qed.

Lemma root_pos z : 1 <= root z.
Proof.
  unfold root, PseudoHuber_root. rewrite <- sqrt_1 at 1. apply sqrt_le_1_alt.
  assert (0 <= ((z - t) / b) ^ 2) by (apply pow2_ge_0). lra.
Qed.

Lemma root_derive z : is_derive root z ((z - t) / (b * b * root z)).
Proof.
  assert (P := root_pos z). unfold root, PseudoHuber_root in *.
  assert (Q : 0 < 1 ^ 2 + ((z - t) / b) ^ 2) by (assert (0 <= ((z - t) / b) ^ 2) by (apply pow2_ge_0); lra).
  set (s := sqrt (1 ^ 2 + ((z - t) / b) ^ 2)) in *.
  auto_derive; [unfold Rdiv in Q; ring_simplify in Q; ring_simplify; lra|].
  match goal with |- context [sqrt ?e] => replace (sqrt e) with s end.
  - field. lra.
  - reflexivity.
Qed.

Lemma huber_value_derive z : is_derive (fun z => PseudoHuber_value b z t) z (PseudoHuber_slope b z t).
Proof.
  apply (is_derive_ext (fun z => b * b * (root z - 1))).
  - intros y. unfold PseudoHuber_value. cbv zeta. fold (root y).
    assert (S := root_square y). assert (P := root_pos y).
    assert (E : (y - t) * (y - t) = b * b * ((root y - 1) * (root y + 1))).
    { replace ((root y - 1) * (root y + 1)) with (root y * root y - 1) by ring. rewrite S. field. lra. }
    replace ((y - t) * ((y - t) / (1 + root y))) with ((y - t) * (y - t) / (1 + root y)) by (field; lra).
    reals. rewrite E. field. lra.
  - unfold PseudoHuber_slope. cbv zeta. fold (root z). assert (P := root_pos z).
    assert (D := root_derive z). derive_with D. field. lra.
Qed.

Lemma huber_slope_derive z :
  is_derive (fun z => PseudoHuber_slope b z t) z (PseudoHuber_curvature b z t).
Proof.
  unfold PseudoHuber_slope, PseudoHuber_curvature. cbv zeta. fold (root z).
  change (is_derive (fun z => (z - t) / root z) z (/ root z ^ 3)).
  assert (D := root_derive z). assert (P := root_pos z). assert (S := root_square z).
  replace (/ root z ^ 3) with ((root z * root z - (z - t) * (z - t) / (b * b)) / (root z ^ 3))
    by (rewrite S; field; lra).
  auto_derive.
  - split; [exists ((z - t) / (b * b * root z)); exact D | split; [lra | easy]].
  - replace (Derive (fun x => root x) z) with ((z - t) / (b * b * root z))
      by (symmetry; apply is_derive_unique; exact D).
    field. lra.
Qed.

Definition huber3 z := - (3 * (z - t)) / (b * b * root z ^ 5).

Lemma huber_curvature_derive z : is_derive (fun z => PseudoHuber_curvature b z t) z (huber3 z).
Proof.
  change (is_derive (fun z => / root z ^ 3) z (huber3 z)).
  assert (D := root_derive z). assert (P := root_pos z). unfold huber3.
  auto_derive.
  - repeat split; [exists ((z - t) / (b * b * root z)); exact D|].
    assert (0 < root z ^ 3) by (apply pow_lt; lra). simpl in *. lra.
  - replace (Derive (fun x => root x) z) with ((z - t) / (b * b * root z))
      by (symmetry; apply is_derive_unique; exact D).
    field. lra.
Qed.

Lemma huber_third z : Rabs (huber3 z) <= PseudoHuber_R b * PseudoHuber_curvature b z t.
Proof.
  unfold huber3, PseudoHuber_R, PseudoHuber_curvature. fold (root z).
  assert (P := root_pos z). assert (S := root_square z). set (r := root z) in *.
  assert (P5 : 0 < r ^ 5) by (apply pow_lt; lra).
  assert (B : 0 < b * b * r ^ 5) by (apply Rmult_lt_0_compat; nra).
  unfold Rdiv at 1. rewrite Rabs_mult, (Rabs_pos_eq (/ _)) by (left; now apply Rinv_0_lt_compat).
  apply (Rmult_le_reg_r (b * b * r ^ 5)); [exact B|].
  replace (Rabs (- (3 * (z - t))) * / (b * b * r ^ 5) * (b * b * r ^ 5))
    with (Rabs (- (3 * (z - t)))) by (field; split; lra).
  replace (3 / 2 / b * / r ^ 3 * (b * b * r ^ 5)) with (3 / 2 * (b * (r * r))) by (field; split; lra).
  rewrite S, Rabs_Ropp, Rabs_mult, (Rabs_pos_eq 3) by lra.
  replace (b * (1 + (z - t) * (z - t) / (b * b))) with ((b * b + (z - t) * (z - t)) / b) by (field; lra).
  assert (Q : 2 * (b * Rabs (z - t)) <= b * b + (z - t) * (z - t)).
  { assert (A : Rabs (z - t) * Rabs (z - t) = (z - t) * (z - t))
      by (rewrite <- Rabs_mult; apply Rabs_pos_eq, (Rle_0_sqr (z - t))).
    assert (H := Rle_0_sqr (b - Rabs (z - t))). unfold Rsqr in H. lra. }
  assert (W : 2 * Rabs (z - t) <= (b * b + (z - t) * (z - t)) / b).
  { apply (Rmult_le_reg_r b); [exact hb|].
    replace ((b * b + (z - t) * (z - t)) / b * b) with (b * b + (z - t) * (z - t)) by (field; lra). lra. }
  lra.
Qed.

Definition pseudo_huber : loss (PseudoHuber_R b).
Proof.
  refine {| l0 := fun z => PseudoHuber_value b z t; l1 := fun z => PseudoHuber_slope b z t;
            l2 := fun z => PseudoHuber_curvature b z t; l3 := huber3;
            d0 := huber_value_derive; d1 := huber_slope_derive; d2 := huber_curvature_derive;
            bounded_third := huber_third |}.
  intros z. unfold PseudoHuber_curvature. left. apply Rinv_0_lt_compat, pow_lt.
  assert (P := root_pos z). unfold root in P. lra.
Defined.

Theorem pseudo_huber_kappa z : PseudoHuber_curvature b z t <= PseudoHuber_kappa.
Proof.
  unfold PseudoHuber_curvature, PseudoHuber_kappa. fold (root z). assert (P := root_pos z).
  rewrite <- Rinv_1. apply Rinv_le_contravar; [lra|]. simpl. nra.
Qed.
End PseudoHuber.

(** ** Log-cosh *)

Section LogCosh.
Variable t : R.

Lemma cosh_pos x : 0 < cosh x.
Proof. unfold cosh. assert (P := exp_pos x). assert (Q := exp_pos (- x)). lra. Qed.

Lemma sech_is z : LogCosh_curvature z t = / (cosh (z - t) * cosh (z - t)).
Proof.
  unfold LogCosh_curvature, cosh. cbv zeta.
  assert (E : forall r, 0 <= r -> exp (- 2 * r) * (2 / (1 + exp (- 2 * r))) ^ 2
    = / ((exp r + exp (- r)) / 2 * ((exp r + exp (- r)) / 2))).
  { intros r _. replace (- 2 * r) with (- r + - r) by ring. rewrite exp_plus, exp_Ropp.
    assert (P := exp_pos r). field. split; [|nra].
    assert (0 < exp r * exp r) by nra. lra. }
  destruct (Rle_dec 0 (z - t)) as [P|N].
  - rewrite Rabs_pos_eq by exact P. now apply E.
  - rewrite Rabs_left by lra. rewrite E by lra. rewrite Ropp_involutive.
    now rewrite (Rplus_comm (exp (- (z - t)))).
Qed.

Lemma log_cosh_value z : LogCosh_value z t = ln (cosh (z - t)).
Proof.
  unfold LogCosh_value, cosh. cbv zeta.
  assert (E : forall r, r + ln (1 + exp (- 2 * r)) - ln 2 = ln ((exp r + exp (- r)) / 2)).
  { intros r. assert (P := exp_pos r). assert (Q := exp_pos (- r)). assert (S := exp_pos (- 2 * r)).
    unfold Rdiv. rewrite ln_mult, ln_Rinv by lra.
    replace (exp r + exp (- r)) with (exp r * (1 + exp (- 2 * r))).
    - rewrite ln_mult, ln_exp by lra. ring.
    - rewrite Rmult_plus_distr_l, Rmult_1_r, <- exp_plus. do 2 f_equal. ring. }
  rewrite E. destruct (Rle_dec 0 (z - t)) as [P|N].
  - now rewrite Rabs_pos_eq.
  - rewrite Rabs_left by lra. rewrite Ropp_involutive. do 2 f_equal. ring.
Qed.

Lemma pythagoras z : cosh z * cosh z - sinh z * sinh z = 1.
Proof.
  unfold cosh, sinh. assert (E := exp_cancel z).
  replace ((exp z + exp (- z)) / 2 * ((exp z + exp (- z)) / 2) - (exp z - exp (- z)) / 2 * ((exp z - exp (- z)) / 2))
    with (exp z * exp (- z)) by field. exact E.
Qed.

Definition log_cosh3 z := - (2 * tanh (z - t)) * LogCosh_curvature z t.

Definition log_cosh : loss LogCosh_R.
Proof.
  refine {| l0 := fun z => LogCosh_value z t; l1 := fun z => LogCosh_slope z t;
            l2 := fun z => LogCosh_curvature z t; l3 := log_cosh3 |}; intros z;
    assert (P := cosh_pos (z - t)); assert (Y := pythagoras (z - t)).
  - apply (is_derive_ext (fun z => ln (cosh (z - t)))); [intros; symmetry; apply log_cosh_value|].
    unfold LogCosh_slope, tanh. auto_derive; [exact P|].
    change (z + - t) with (z - t). field. lra.
  - rewrite sech_is. unfold LogCosh_slope, tanh. auto_derive.
    + change (cosh (z - t) <> 0). lra.
    + change (z + - t) with (z - t). set (c := cosh (z - t)) in *. set (h := sinh (z - t)) in *.
      replace (/ (c * c)) with ((c * c - h * h) / (c * c)) at 2 by (rewrite Y; field; lra). field. lra.
  - apply (is_derive_ext (fun z => / (cosh (z - t) * cosh (z - t)))); [intros; symmetry; apply sech_is|].
    unfold log_cosh3. rewrite sech_is. unfold tanh. auto_derive.
    + change (cosh (z - t) * cosh (z - t) <> 0). nra.
    + change (z + - t) with (z - t). field. lra.
  - rewrite sech_is. left. apply Rinv_0_lt_compat. nra.
  - unfold log_cosh3, LogCosh_R. assert (C : 0 <= LogCosh_curvature z t)
      by (rewrite sech_is; left; apply Rinv_0_lt_compat; nra).
    rewrite Rabs_mult, (Rabs_pos_eq (LogCosh_curvature z t)) by exact C.
    apply Rmult_le_compat_r; [exact C|]. rewrite Rabs_Ropp, Rabs_mult, Rabs_pos_eq by lra.
    assert (T : Rabs (tanh (z - t)) <= 1); [|lra].
    unfold tanh, Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ _)) by (left; now apply Rinv_0_lt_compat).
    apply (Rmult_le_reg_r (cosh (z - t))); [exact P|]. rewrite Rmult_assoc, Rinv_l by lra.
    rewrite Rmult_1_r, Rmult_1_l. apply square_le; [lra | lra].
Defined.

Theorem log_cosh_kappa z : LogCosh_curvature z t <= LogCosh_kappa.
Proof.
  rewrite sech_is. unfold LogCosh_kappa. assert (Y := pythagoras (z - t)). assert (P := cosh_pos (z - t)).
  rewrite <- Rinv_1. apply Rinv_le_contravar; [lra|]. assert (0 <= sinh (z - t) * sinh (z - t)) by nra. lra.
Qed.
End LogCosh.

(** ** Softplus hinge at temperature T *)

Section Hinge.
Variables (T t : R).
Hypothesis hT : 0 < T.
Hypothesis ht : t * t = 1.

Let lack z := SoftplusHinge_lack T z t.

Lemma lack_derive z : is_derive lack z (- (t / T)).
Proof. unfold lack, SoftplusHinge_lack. auto_derive; [lra | field; lra]. Qed.

Definition hinge3 z := - (t / T) * (bump (lack z) * (1 - 2 * sg (lack z))) / T.

Definition softplus_hinge : loss (SoftplusHinge_R T).
Proof.
  refine {| l0 := fun z => SoftplusHinge_value T z t; l1 := fun z => SoftplusHinge_slope T z t;
            l2 := fun z => SoftplusHinge_curvature T z t; l3 := hinge3 |}; intros z;
    assert (L := lack_derive z).
  - apply (is_derive_ext (fun z => T * ln (1 + exp (lack z))));
      [intros; unfold SoftplusHinge_value; now rewrite softplus_is|].
    unfold SoftplusHinge_slope. rewrite sigmoid_is. fold (lack z).
    replace (- t * sg (lack z)) with (T * (- (t / T) * sg (lack z))) by (field; lra).
    apply (is_derive_scal (fun z => ln (1 + exp (lack z))) z T).
    apply (is_derive_comp (fun a => ln (1 + exp a)) lack); [apply softplus_derive | exact L].
  - apply (is_derive_ext (fun z => - t * sg (lack z)));
      [intros; unfold SoftplusHinge_slope; now rewrite sigmoid_is|].
    unfold SoftplusHinge_curvature. rewrite bell_is. unfold bump. fold (lack z).
    replace (sg (lack z) * (1 - sg (lack z)) / T)
      with (- t * (- (t / T) * (sg (lack z) * (1 - sg (lack z))))).
    2: { replace (- t * (- (t / T) * (sg (lack z) * (1 - sg (lack z)))))
           with (t * t * (sg (lack z) * (1 - sg (lack z)) / T)) by (field; lra). rewrite ht. ring. }
    apply (is_derive_scal (fun z => sg (lack z)) z (- t)).
    apply (is_derive_comp sg lack); [apply sg_derive | exact L].
  - apply (is_derive_ext (fun z => / T * bump (lack z))).
    { intros y. unfold SoftplusHinge_curvature. rewrite bell_is. unfold bump.
      reals. fold (lack y). field. lra. }
    unfold hinge3. replace (- (t / T) * (bump (lack z) * (1 - 2 * sg (lack z))) / T)
      with (/ T * (- (t / T) * (bump (lack z) * (1 - 2 * sg (lack z))))) by (field; lra).
    apply (is_derive_scal (fun z => bump (lack z)) z (/ T)).
    apply (is_derive_comp bump lack); [apply bump_derive | exact L].
  - unfold SoftplusHinge_curvature. rewrite bell_is. fold (lack z).
    assert (B := bump_range (lack z)).
    apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat].
  - unfold hinge3, SoftplusHinge_R, SoftplusHinge_curvature. rewrite bell_is.
    fold (lack z). assert (I : 0 < / T) by now apply Rinv_0_lt_compat.
    replace (- (t / T) * (bump (lack z) * (1 - 2 * sg (lack z))) / T)
      with (- t * (/ T * / T) * (bump (lack z) * (1 - 2 * sg (lack z)))) by (field; lra).
    rewrite !Rabs_mult, Rabs_Ropp, (Rabs_pos_eq (/ T)) by lra.
    assert (A : Rabs t = 1).
    { assert (t = 1 \/ t = -1) as [->| ->] by (destruct (Req_dec t 1); [now left | right; nra]);
        unfold Rabs; destruct Rcase_abs; lra. }
    rewrite A, Rmult_1_l, <- Rabs_mult.
    replace (1 / T * (bump (lack z) / T)) with (/ T * / T * bump (lack z)) by (field; lra).
    apply Rmult_le_compat_l; [nra | apply bump_third].
Defined.

Theorem softplus_hinge_kappa z : SoftplusHinge_curvature T z t <= SoftplusHinge_kappa T.
Proof.
  unfold SoftplusHinge_curvature, SoftplusHinge_kappa. rewrite bell_is.
  fold (lack z). assert (B := bump_range (lack z)).
  apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | lra].
Qed.
End Hinge.
