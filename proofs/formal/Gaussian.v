(* The standard Gaussian: density, distribution function, the Gaussian integral. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis.
Local Open Scope R_scope.

Definition density m x := exp (- ((x - m) * (x - m)) / 2) / sqrt (2 * PI).
Definition Phi (x : R) : R := / 2 + RInt (density 0) 0 x.
(** scipy's scaled complementary error function: exp (x^2) erfc x *)
Definition erfcx x := 2 * exp (x * x) * Phi (- (x * sqrt 2)).

Lemma root_2pi : 0 < sqrt (2 * PI).
Proof. apply sqrt_lt_R0. assert (H := PI_RGT_0). lra. Qed.

Lemma density_pos m x : 0 < density m x.
Proof. apply Rdiv_lt_0_compat; [apply exp_pos | apply root_2pi]. Qed.

Lemma density_shift m x : density m x = density 0 (x - m).
Proof. unfold density. do 2 f_equal. field. Qed.

Lemma density_even x : density 0 (- x) = density 0 x.
Proof. unfold density. do 2 f_equal. field. Qed.

(** the likelihood ratio *)
Lemma ratio m x : density m x = exp (m * x - m * m / 2) * density 0 x.
Proof.
  unfold density, Rdiv. rewrite <- Rmult_assoc, <- exp_plus. f_equal. f_equal. field.
Qed.

Lemma density_continuous m x : continuous (density m) x.
Proof. apply (ex_derive_continuous (density m)). unfold density. auto_derive. easy. Qed.

Lemma density_derive x : is_derive (density 0) x (- x * density 0 x).
Proof.
  assert (R2 := root_2pi). unfold density, Rdiv. auto_derive; [easy|].
  change (x + - 0) with (x - 0). field. lra.
Qed.

Lemma density_integrable m a b : ex_RInt (density m) a b.
Proof. apply (ex_RInt_continuous (density m)). intros x _. apply density_continuous. Qed.

Lemma Phi_derive x : is_derive Phi x (density 0 x).
Proof.
  unfold Phi. replace (density 0 x) with (plus 0 (density 0 x)) by (unfold plus; simpl; ring).
  apply (is_derive_plus (fun _ => / 2) (fun x => RInt (density 0) 0 x)).
  - apply (@is_derive_const R_AbsRing R_NormedModule (/ 2) x).
  - apply (is_derive_RInt (density 0) (fun x => RInt (density 0) 0 x) 0 x).
    + exists (mkposreal 1 Rlt_0_1). intros y _. apply (@RInt_correct R_CompleteNormedModule).
      apply density_integrable.
    + apply density_continuous.
Qed.

Lemma Phi_shift_derive m x : is_derive (fun x => Phi (x - m)) x (density m x).
Proof. rewrite density_shift. assert (D := Phi_derive (x - m)). derive_with D. Qed.

Lemma Phi_0 : Phi 0 = / 2.
Proof. unfold Phi. rewrite RInt_point. unfold zero; simpl. ring. Qed.

Lemma Phi_rises x y : x <= y -> Phi x <= Phi y.
Proof.
  intros H. apply (rises Phi (density 0)); [exact H | |]; intros z _.
  - apply Phi_derive.
  - left; apply density_pos.
Qed.

(** the integral of the density over a window *)
Lemma density_RInt m a b : RInt (density m) a b = Phi (b - m) - Phi (a - m).
Proof.
  apply is_RInt_unique.
  apply (is_RInt_derive (fun x => Phi (x - m)) (density m)).
  - intros x _. apply Phi_shift_derive.
  - intros x _. apply density_continuous.
Qed.

Lemma Phi_opp x : Phi (- x) = 1 - Phi x.
Proof.
  assert (D : forall y, is_derive (fun x => Phi x + Phi (- x)) y 0).
  { intros y. assert (D1 := Phi_derive y). assert (D2 := Phi_derive (- y)). rewrite density_even in D2.
    auto_derive; [repeat split; try easy; exists (density 0 y); assumption|].
    replace (Derive (fun x => Phi x) y) with (density 0 y) by (symmetry; apply is_derive_unique; exact D1).
    replace (Derive (fun x => Phi x) (- y)) with (density 0 y) by (symmetry; apply is_derive_unique; exact D2).
    ring. }
  assert (C : Phi 0 + Phi (- 0) = Phi x + Phi (- x)).
  { destruct (Rle_dec 0 x) as [P|N].
    - apply (constant (fun x => Phi x + Phi (- x)) D). exact P.
    - symmetry. apply (constant (fun x => Phi x + Phi (- x)) D). lra. }
  rewrite Ropp_0, Phi_0 in C. lra.
Qed.

(** ** The Gaussian integral: E(x)^2 + 2 int_0^1 exp (- x^2 (1 + t^2)/2) / (1 + t^2) dt = pi/2 *)

Definition E (x : R) : R := RInt (fun t => exp (- (t * t) / 2)) 0 x.
Definition kernel x t := exp (- (x * x * (1 + t * t)) / 2) / (1 + t * t).
Definition slope x t := - x * exp (- (x * x * (1 + t * t)) / 2).

Lemma bell_continuous t : continuous (fun t => exp (- (t * t) / 2)) t.
Proof. apply (ex_derive_continuous (fun t => exp (- (t * t) / 2))). auto_derive. easy. Qed.

Lemma E_derive x : is_derive E x (exp (- (x * x) / 2)).
Proof.
  apply (is_derive_RInt (fun t => exp (- (t * t) / 2)) E 0 x).
  - exists (mkposreal 1 Rlt_0_1). intros y _. apply (@RInt_correct R_CompleteNormedModule).
    apply (ex_RInt_continuous (fun t => exp (- (t * t) / 2))). intros t _. apply bell_continuous.
  - apply bell_continuous.
Qed.

Lemma square_pos t : 0 < 1 + t * t. Proof. assert (0 <= t * t) by nra. lra. Qed.

Lemma kernel_derive x t : is_derive (fun x => kernel x t) x (slope x t).
Proof. unfold kernel, slope, Rdiv. assert (P := square_pos t). auto_derive; [lra | field; lra]. Qed.

Lemma kernel_integrable x : ex_RInt (kernel x) 0 1.
Proof.
  apply (ex_RInt_continuous (kernel x)). intros t _. apply (ex_derive_continuous (kernel x)).
  unfold kernel. assert (P := square_pos t). auto_derive. lra.
Qed.

Lemma kernel_RInt_derive x : is_derive (fun x => RInt (kernel x) 0 1) x (RInt (slope x) 0 1).
Proof.
  replace (RInt (slope x) 0 1) with (RInt (fun t => Derive (fun u => kernel u t) x) 0 1).
  2: { apply RInt_ext. intros t _. apply is_derive_unique, kernel_derive. }
  apply (is_derive_RInt_param kernel 0 1 x).
  - exists (mkposreal 1 Rlt_0_1). intros y _ t _. exists (slope y t). apply kernel_derive.
  - intros t _. apply (continuity_2d_pt_ext slope).
    + intros u w. symmetry. apply is_derive_unique, kernel_derive.
    + unfold slope. apply continuity_2d_pt_mult.
      * apply continuity_2d_pt_opp, continuity_2d_pt_id1.
      * apply (continuity_1d_2d_pt_comp exp (fun x t => - (x * x * (1 + t * t)) / 2)).
        -- apply derivable_continuous_pt, derivable_pt_exp.
        -- apply (continuity_2d_pt_ext (fun x t => (- / 2) * (x * x * (1 + t * t))));
             [intros; field|].
           apply continuity_2d_pt_mult; [apply continuity_2d_pt_const|].
           apply continuity_2d_pt_mult;
             [apply continuity_2d_pt_mult; apply continuity_2d_pt_id1|].
           apply continuity_2d_pt_plus; [apply continuity_2d_pt_const|].
           apply continuity_2d_pt_mult; apply continuity_2d_pt_id2.
  - exists (mkposreal 1 Rlt_0_1). intros y _. apply kernel_integrable.
Qed.

(** substitution t -> x t *)
Lemma slope_RInt x : RInt (slope x) 0 1 = - (exp (- (x * x) / 2) * E x).
Proof.
  apply is_RInt_unique.
  replace (- (exp (- (x * x) / 2) * E x))
    with (minus ((fun t => - (exp (- (x * x) / 2) * E (x * t))) 1)
                ((fun t => - (exp (- (x * x) / 2) * E (x * t))) 0)).
  - apply (is_RInt_derive (fun t => - (exp (- (x * x) / 2) * E (x * t))) (slope x)).
    + intros t _. assert (D := E_derive (x * t)). auto_derive.
      * exists (exp (- (x * t * (x * t)) / 2)); exact D.
      * replace (Derive (fun x0 => E x0) (x * t)) with (exp (- (x * t * (x * t)) / 2))
          by (symmetry; apply is_derive_unique; exact D).
        unfold slope. replace (- (x * x * (1 + t * t)) / 2)
          with (- (x * x) / 2 + - (x * t * (x * t)) / 2) by field.
        rewrite exp_plus. unfold Rdiv. ring.
    + intros t _. apply (ex_derive_continuous (slope x)). unfold slope. auto_derive. easy.
  - unfold minus, plus, opp; simpl. rewrite Rmult_0_r, Rmult_1_r.
    assert (Z : E 0 = 0) by (unfold E; rewrite RInt_point; reflexivity).
    rewrite Z. ring.
Qed.

Lemma atan_RInt : RInt (kernel 0) 0 1 = PI / 4.
Proof.
  apply is_RInt_unique. replace (PI / 4) with (minus (atan 1) (atan 0)).
  - apply (is_RInt_derive atan (kernel 0)).
    + intros t _. replace (kernel 0 t) with (/ (1 + t ^ 2)).
      * apply is_derive_Reals, derivable_pt_lim_atan.
      * unfold kernel. rewrite Rmult_0_l, Rmult_0_l.
        replace (- 0 / 2) with 0 by field. rewrite exp_0. field. assert (P := square_pos t); nra.
    + intros t _. apply (ex_derive_continuous (kernel 0)). unfold kernel.
      assert (P := square_pos t). auto_derive. lra.
  - rewrite atan_0, atan_1. unfold minus, plus, opp; simpl. ring.
Qed.

Lemma invariant x : 0 <= x -> E x * E x + 2 * RInt (kernel x) 0 1 = PI / 2.
Proof.
  intros hx.
  assert (D : forall y, is_derive (fun y => E y * E y + 2 * RInt (kernel y) 0 1) y 0).
  { intros y.
    assert (Z : 2 * exp (- (y * y) / 2) * E y + 2 * (RInt (slope y) 0 1) = 0)
      by (rewrite slope_RInt; ring).
    refine (eq_ind _ (fun z => is_derive (fun y => E y * E y + 2 * RInt (kernel y) 0 1) y z) _ _ Z).
    apply (@is_derive_plus R_AbsRing R_NormedModule (fun y => E y * E y) (fun y => 2 * RInt (kernel y) 0 1)).
    - assert (D := E_derive y). derive_with D.
    - apply (is_derive_scal (fun y => RInt (kernel y) 0 1) y 2), kernel_RInt_derive. }
  assert (S := constant (fun y => E y * E y + 2 * RInt (kernel y) 0 1) D 0 x hx). cbv beta in S.
  rewrite <- S, atan_RInt. assert (Z : E 0 = 0) by (unfold E; rewrite RInt_point; reflexivity).
  rewrite Z. field.
Qed.

Lemma kernel_small x : RInt (kernel x) 0 1 <= exp (- (x * x) / 2).
Proof.
  replace (exp (- (x * x) / 2)) with (RInt (fun _ => exp (- (x * x) / 2)) 0 1)
    by (rewrite RInt_const; unfold scal; simpl; unfold mult; simpl; ring).
  apply RInt_le; [lra | apply kernel_integrable | apply ex_RInt_const |].
  intros t _. unfold kernel. assert (P := square_pos t).
  apply (Rmult_le_reg_r (1 + t * t)); [exact P|].
  replace (exp (- (x * x * (1 + t * t)) / 2) / (1 + t * t) * (1 + t * t))
    with (exp (- (x * x * (1 + t * t)) / 2)) by (field; lra).
  apply Rle_trans with (exp (- (x * x) / 2)).
  - apply exp_rises. assert (0 <= x * x * (t * t)) by (apply Rmult_le_pos; nra). lra.
  - assert (Q := exp_pos (- (x * x) / 2)). nra.
Qed.

Lemma kernel_nonneg x : 0 <= RInt (kernel x) 0 1.
Proof.
  apply RInt_ge_0; [lra | apply kernel_integrable |].
  intros t _. unfold kernel. assert (P := square_pos t).
  apply Rmult_le_pos; [left; apply exp_pos | left; now apply Rinv_0_lt_compat].
Qed.

Lemma Phi_E x : Phi x = / 2 + E x / sqrt (2 * PI).
Proof.
  unfold Phi, E. f_equal.
  assert (I : ex_RInt (fun t => exp (- (t * t) / 2)) 0 x)
    by (apply (ex_RInt_continuous (fun t => exp (- (t * t) / 2))); intros t _; apply bell_continuous).
  assert (S := @RInt_scal R_CompleteNormedModule (fun t => exp (- (t * t) / 2)) 0 x (/ sqrt (2 * PI)) I).
  unfold Rdiv at 1. rewrite Rmult_comm. etransitivity; [|exact S].
  apply RInt_ext. intros t _. unfold density, scal; simpl; unfold mult; simpl.
  rewrite Rminus_0_r. unfold Rdiv. ring.
Qed.

(** Phi x is at most 1 and misses it by at most exp (- x^2/2) *)
Theorem Phi_tail x : 0 <= x -> 1 - exp (- (x * x) / 2) <= Phi x <= 1.
Proof.
  intros hx. assert (I := invariant x hx). assert (K := kernel_small x). assert (N := kernel_nonneg x).
  assert (S := root_2pi). assert (Q : sqrt (2 * PI) * sqrt (2 * PI) = 2 * PI)
    by (apply sqrt_sqrt; assert (H := PI_RGT_0); lra).
  set (r := sqrt (2 * PI)) in *. set (e := exp (- (x * x) / 2)) in *.
  assert (Ee : 0 < e) by apply exp_pos.
  assert (P3 : 3 < PI).
  { assert (A := PI2_3_2). lra. }
  assert (Epos : 0 <= E x).
  { assert (F := Phi_E x). assert (G := Phi_rises 0 x hx). rewrite Phi_0, F in G.
    fold r in G. apply (Rmult_le_reg_r (/ r)); [now apply Rinv_0_lt_compat|]. unfold Rdiv in G. lra. }
  rewrite Phi_E. fold r.
  set (y := E x / r). assert (Y : E x = y * r) by (unfold y; field; lra).
  assert (Ypos : 0 <= y) by (unfold y; apply Rmult_le_pos; [exact Epos | left; now apply Rinv_0_lt_compat]).
  rewrite Y in I.
  assert (J : y * y * (2 * PI) = PI / 2 - 2 * RInt (kernel x) 0 1) by (rewrite <- Q; lra).
  assert (W : / 4 - e / PI <= y * y <= / 4).
  { split; (apply (Rmult_le_reg_r (2 * PI)); [lra|]); rewrite J.
    - replace ((/ 4 - e / PI) * (2 * PI)) with (PI / 2 - 2 * e) by (field; lra). lra.
    - lra. }
  assert (V : e / PI <= e / 3).
  { unfold Rdiv. apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. }
  split; nra.
Qed.

Lemma Phi_le_1 x : Phi x <= 1.
Proof.
  destruct (Rle_dec 0 x) as [P|N]; [now apply Phi_tail|].
  apply Rle_trans with (Phi 0); [apply Phi_rises; lra | rewrite Phi_0; lra].
Qed.

Lemma Phi_nonneg x : 0 <= Phi x.
Proof. assert (H := Phi_opp x). assert (K := Phi_le_1 (- x)). lra. Qed.

Lemma tail_vanishes : forall eta, 0 < eta -> exists x, 0 < x /\ exp (- (x * x) / 2) < eta.
Proof.
  intros eta he. exists (1 + 2 / eta).
  assert (D : 0 < 2 / eta) by (apply Rdiv_lt_0_compat; lra). split; [lra|].
  set (y := 1 + 2 / eta) in *.
  assert (A : - (y * y) / 2 <= - (2 / eta)) by (assert (0 <= (2 / eta) * (2 / eta)) by nra; unfold y; nra).
  apply Rle_lt_trans with (exp (- (2 / eta))); [now apply exp_rises|].
  assert (B := exp_ineq1_le (2 / eta)). assert (C := exp_cancel (2 / eta)).
  assert (F := exp_pos (- (2 / eta))).
  apply (Rmult_lt_reg_l (exp (2 / eta))); [apply exp_pos|]. rewrite C.
  apply Rlt_le_trans with (2 / eta * eta); [|apply Rmult_le_compat_r; lra].
  replace (2 / eta * eta) with 2 by (field; lra). lra.
Qed.
