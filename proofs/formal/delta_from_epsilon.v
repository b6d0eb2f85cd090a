(* The trade-off of two Gaussians of one variance: delta(epsilon, mu), its monotonicity, its caps, and
   the value the code returns. *)
From Coq Require Import Reals Lra ZArith.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Rounded Gaussian Code.
Local Open Scope R_scope.

Definition delta eps m := Phi (m / 2 - eps / m) - exp eps * Phi (- (m / 2) - eps / m).

(** e^eps phi(x2) = phi(x1) *)
Lemma densities eps m : 0 < m ->
  exp eps * density 0 (- (m / 2) - eps / m) = density 0 (m / 2 - eps / m).
Proof.
  intros hm. unfold density, Rdiv. rewrite <- Rmult_assoc, <- exp_plus. f_equal. f_equal. field. lra.
Qed.

(** d delta / d mu = phi(x1) *)
Theorem delta_derive eps m : 0 < m -> is_derive (delta eps) m (density 0 (m / 2 - eps / m)).
Proof.
  intros hm.
  assert (D1 := Phi_derive (m / 2 - eps / m)). assert (D2 := Phi_derive (- (m / 2) - eps / m)).
  unfold delta. derive_with2 D1 D2. rewrite <- (densities eps m hm). field. lra.
Qed.

Theorem delta_rises eps m m' : 0 < m -> m <= m' -> delta eps m <= delta eps m'.
Proof.
  intros hm le. apply (rises (delta eps) (fun m => density 0 (m / 2 - eps / m))); [exact le| |].
  - intros x hx. apply delta_derive. lra.
  - intros x _. left. apply density_pos.
Qed.

(** d delta / d eps = - e^eps Phi(-x2) *)
Lemma delta_derive_epsilon eps m : 0 < m ->
  is_derive (fun eps => delta eps m) eps (- (exp eps * Phi (- (m / 2) - eps / m))).
Proof.
  intros hm.
  assert (D1 := Phi_derive (m / 2 - eps / m)). assert (D2 := Phi_derive (- (m / 2) - eps / m)).
  unfold delta. derive_with2 D1 D2. rewrite <- (densities eps m hm).
  change (- (m / 2) + - (eps * / m)) with (- (m / 2) - eps / m). field. lra.
Qed.

Theorem delta_falls eps eps' m : 0 < m -> eps <= eps' -> delta eps' m <= delta eps m.
Proof.
  intros hm le. apply Ropp_le_cancel.
  apply (rises (fun e => - delta e m) (fun e => exp e * Phi (- (m / 2) - e / m))); [exact le| |].
  - intros x _. assert (D := delta_derive_epsilon x m hm).
    replace (exp x * Phi (- (m / 2) - x / m)) with (- - (exp x * Phi (- (m / 2) - x / m))) by ring.
    apply (is_derive_opp (fun e => delta e m)), D.
  - intros x _. apply Rmult_le_pos; [left; apply exp_pos | apply Phi_nonneg].
Qed.

(** What is certified at (mu, eps) is certified at every smaller mu and larger eps. *)
Theorem calibration_monotone eps eps' m m' d : 0 < m' -> m' <= m -> eps <= eps' ->
  delta eps m <= d -> delta eps' m' <= d.
Proof.
  intros hm mm ee H. apply Rle_trans with (1 := delta_falls eps eps' m' hm ee).
  apply Rle_trans with (1 := delta_rises eps m' m hm mm). exact H.
Qed.

(** ** delta vanishes with mu, and the caps *)

Lemma delta_small eps m eta : 0 <= eps -> 0 < m -> 0 < eta -> exists m', 0 < m' <= m /\ delta eps m' <= eta.
Proof.
  intros he hm heta. destruct he as [he|<-].
  - (* Phi(m/2 - eps/m) <= Phi(-x) <= exp(-x^2/2) *)
    destruct (tail_vanishes eta heta) as [x [xp small]].
    set (m' := Rmin m (Rmin 1 (eps / (x + 1)))).
    assert (Q : 0 < eps / (x + 1)) by (apply Rdiv_lt_0_compat; lra).
    assert (m0 : 0 < m') by (unfold m', Rmin; repeat destruct Rle_dec; lra).
    assert (m1 : m' <= m) by apply Rmin_l.
    assert (m2 : m' <= 1) by (unfold m'; apply Rle_trans with (1 := Rmin_r _ _); apply Rmin_l).
    assert (m3 : m' <= eps / (x + 1)) by (unfold m'; apply Rle_trans with (1 := Rmin_r _ _); apply Rmin_r).
    exists m'. split; [lra|].
    assert (B : x + 1 <= eps / m').
    { apply (Rmult_le_reg_r m'); [exact m0|]. replace (eps / m' * m') with eps by (field; lra).
      apply (Rmult_le_compat_l (x + 1)) in m3; [|lra].
      replace ((x + 1) * (eps / (x + 1))) with eps in m3 by (field; lra). exact m3. }
    unfold delta. assert (N := Phi_nonneg (- (m' / 2) - eps / m')). assert (E := exp_pos eps).
    assert (0 <= exp eps * Phi (- (m' / 2) - eps / m')) by (apply Rmult_le_pos; lra).
    assert (L : Phi (m' / 2 - eps / m') <= Phi (- x)) by (apply Phi_rises; lra).
    rewrite Phi_opp in L. destruct (Phi_tail x ltac:(lra)). lra.
  - (* Phi(m/2) - Phi(-m/2) <= m phi(0) *)
    set (m' := Rmin m eta). assert (m0 : 0 < m') by (unfold m', Rmin; destruct Rle_dec; lra).
    exists m'. split; [split; [exact m0 | apply Rmin_l]|].
    assert (me : m' <= eta) by apply Rmin_r.
    unfold delta. rewrite exp_0. replace (0 / m') with 0 by (field; lra).
    rewrite !Rminus_0_r, Phi_opp.
    assert (S : Phi (m' / 2) - m' / 2 <= Phi 0 - 0).
    { apply Ropp_le_cancel.
      apply (rises (fun x => - (Phi x - x)) (fun x => - (density 0 x - 1)) 0 (m' / 2)); [lra| |].
      - intros x _. apply (is_derive_opp (fun x => Phi x - x)).
        apply (is_derive_minus Phi (fun x => x)); [apply Phi_derive | apply @is_derive_id].
      - intros x _. assert (D : density 0 x <= 1); [|lra]. unfold density.
        apply (Rmult_le_reg_r (sqrt (2 * PI))); [apply root_2pi|].
        unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_1_l
          by (assert (R2 := root_2pi); lra).
        apply Rle_trans with 1.
        + rewrite <- exp_0. apply exp_rises. rewrite Rminus_0_r. assert (0 <= x * x) by apply Rle_0_sqr. lra.
        + rewrite <- sqrt_1 at 1. apply sqrt_le_1_alt. assert (P := PI2_3_2). lra. }
    rewrite Phi_0 in S. lra.
Qed.

(** delta <= mu times a bound on phi(eps/m - m/2) for m up to mu *)
Lemma delta_cap eps m k : 0 <= eps -> 0 < m -> (forall x, 0 < x <= m -> density 0 (x / 2 - eps / x) <= k) ->
  delta eps m <= m * k.
Proof.
  intros he hm H. apply le_epsilon. intros eta heta.
  destruct (delta_small eps m eta he hm heta) as [m' [hm' small]].
  assert (kp : 0 <= k) by (apply Rle_trans with (2 := H m ltac:(lra)); left; apply density_pos).
  assert (M : m' * k - delta eps m' <= m * k - delta eps m).
  { apply (rises (fun x => x * k - delta eps x) (fun x => k - density 0 (x / 2 - eps / x))); [lra| |].
    - intros x hx. apply (is_derive_minus (fun x => x * k)); [auto_derive; [easy | ring] | apply delta_derive; lra].
    - intros x hx. assert (X := H x ltac:(lra)). lra. }
  assert (0 <= m' * k) by (apply Rmult_le_pos; lra). lra.
Qed.

Theorem cap_always eps m : 0 <= eps -> 0 < m -> delta eps m <= m * (1 / sqrt (2 * PI)).
Proof.
  intros he hm. apply delta_cap; trivial. intros x _. unfold density.
  apply (Rmult_le_compat_r (/ sqrt (2 * PI))); [left; apply Rinv_0_lt_compat, root_2pi|].
  rewrite <- exp_0. apply exp_rises.
  set (y := x / 2 - eps / x). assert (0 <= y * y) by apply Rle_0_sqr. rewrite Rminus_0_r. lra.
Qed.

Theorem cap_peak eps m : 0 <= eps -> 0 < m -> m * m <= 2 * eps ->
  delta eps m <= m * (exp (- (1 / 2) * (eps / m - m / 2) * (eps / m - m / 2)) / sqrt (2 * PI)).
Proof.
  intros he hm hmm. apply delta_cap; trivial. intros x hx. unfold density.
  apply (Rmult_le_compat_r (/ sqrt (2 * PI))); [left; apply Rinv_0_lt_compat, root_2pi|].
  apply exp_rises. rewrite Rminus_0_r.
  assert (A : 0 <= eps / m - m / 2).
  { apply (Rmult_le_reg_r m); [exact hm|]. replace ((eps / m - m / 2) * m) with (eps - m * m / 2) by (field; lra). lra. }
  assert (B : eps / m - m / 2 <= eps / x - x / 2).
  { assert (eps / m <= eps / x) by (apply Rmult_le_compat_l; [exact he | apply Rinv_le_contravar; lra]). lra. }
  set (a := eps / m - m / 2) in *. set (b := eps / x - x / 2) in *.
  replace (x / 2 - eps / x) with (- b) by (unfold b; ring).
  assert (a * a <= b * b) by (apply Rmult_le_compat; lra). lra.
Qed.

(** The tail at 40: delta <= Phi(-x1) <= phi(x1)/x1 (Mills) *)
Lemma mills x : 0 < x -> Phi (- x) <= density 0 x / x.
Proof.
  intros xp. apply le_epsilon. intros eta heta.
  destruct (tail_vanishes eta heta) as [y [yp small]].
  set (z := Rmax x y). assert (zx : x <= z) by apply Rmax_l. assert (zy : y <= z) by apply Rmax_r.
  assert (M : Phi x + density 0 x / x >= Phi z + density 0 z / z).
  { apply Rle_ge, Ropp_le_cancel.
    apply (rises (fun w => - (Phi w + density 0 w / w)) (fun w => density 0 w / (w * w))); [exact zx| |].
    - intros w hw. assert (D := Phi_derive w).
      assert (D' := density_derive w).
      derive_with2 D D'. field. lra.
    - intros w hw. apply Rmult_le_pos; [left; apply density_pos | left; apply Rinv_0_lt_compat; nra]. }
  assert (T : 1 - eta <= Phi z).
  { assert (A := proj1 (Phi_tail y ltac:(lra))). assert (B := Phi_rises y z zy). lra. }
  assert (P : 0 <= density 0 z / z) by (apply Rmult_le_pos; [left; apply density_pos | left; apply Rinv_0_lt_compat; lra]).
  rewrite Phi_opp. lra.
Qed.

Lemma delta_le_Phi eps m : delta eps m <= Phi (m / 2 - eps / m).
Proof.
  unfold delta. assert (0 <= exp eps * Phi (- (m / 2) - eps / m)); [|lra].
  apply Rmult_le_pos; [left; apply exp_pos | apply Phi_nonneg].
Qed.

(** exp (- 800) is far below 10^-321 *)
Lemma tiny_exp : exp (- 800) <= / 10 ^ 321.
Proof.
  replace (-800) with (- (800)) by lra. rewrite exp_Ropp. apply Rinv_le_contravar; [apply pow_lt; lra|].
  replace 800 with (INR (16 * 321) * (800 / 5136)).
  - rewrite exp_times, pow_mult. apply pow_incr. split; [lra|].
    apply Rle_trans with ((1 + 800 / 5136) ^ 16); [|apply pow_incr; split; [lra | apply exp_ineq1_le]].
    lra.
  - rewrite INR_IZR_INZ. change (Z.of_nat (16 * 321)) with 5136%Z. field.
Qed.

Lemma far eps m : 40 <= eps / m - m / 2 -> delta eps m <= 5 * (5 / 10 ^ 324).
Proof.
  intros h. apply Rle_trans with (1 := delta_le_Phi eps m).
  apply Rle_trans with (Phi (- 40)); [apply Phi_rises; lra|].
  apply Rle_trans with (1 := mills 40 ltac:(lra)). unfold density.
  apply Rle_trans with (exp (- 800) * / 40).
  - unfold Rdiv at 1. apply Rmult_le_compat_r; [lra|].
    replace (- ((40 - 0) * (40 - 0)) / 2) with (- 800) by field.
    unfold Rdiv. rewrite <- (Rmult_1_r (exp (- 800))) at 2. apply Rmult_le_compat_l; [left; apply exp_pos|].
    rewrite <- Rinv_1. apply Rinv_le_contravar; [lra|]. rewrite <- sqrt_1 at 1. apply sqrt_le_1_alt.
    assert (P := PI2_3_2). lra.
  - apply Rle_trans with (/ 10 ^ 321 * / 40); [apply Rmult_le_compat_r; [lra | apply tiny_exp]|].
    replace (10 ^ 324) with (10 ^ 321 * 1000) by (change 324%nat with (321 + 3)%nat; rewrite pow_add; lra).
    assert (P : 0 < 10 ^ 321) by (apply pow_lt; lra). set (p := 10 ^ 321) in *.
    replace (5 * (5 / (p * 1000))) with (/ p * / 40) by (field; lra). lra.
Qed.

(** ** The code's two forms *)

Lemma erfcx_form x : 1 / 2 * exp (- (1 / 2) * x * x) * erfcx (x / sqrt 2) = Phi (- x).
Proof.
  unfold erfcx. assert (S : 0 < sqrt 2) by (apply sqrt_lt_R0; lra).
  replace (x / sqrt 2 * sqrt 2) with x by (field; lra).
  assert (Q : sqrt 2 * sqrt 2 = 2) by (apply sqrt_sqrt; lra).
  replace (x / sqrt 2 * (x / sqrt 2)) with (x * x / (sqrt 2 * sqrt 2)) by (field; lra). rewrite Q.
  replace (1 / 2 * exp (- (1 / 2) * x * x) * (2 * exp (x * x / 2) * Phi (- x)))
    with (exp (x * x / 2) * exp (- (x * x / 2)) * Phi (- x))
    by (replace (- (1 / 2) * x * x) with (- (x * x / 2)) by field; field).
  rewrite exp_cancel. ring.
Qed.

(** the second part through the density at x1 *)
Lemma second_form eps m : 0 < m ->
  1 / 2 * exp (- (1 / 2) * (eps / m - m / 2) * (eps / m - m / 2)) * erfcx ((eps / m + m / 2) / sqrt 2)
  = exp eps * Phi (- (m / 2) - eps / m).
Proof.
  intros hm. set (x1 := eps / m - m / 2). set (x2 := eps / m + m / 2).
  replace (- (m / 2) - eps / m) with (- x2) by (unfold x2; ring). rewrite <- erfcx_form.
  replace (exp (- (1 / 2) * x1 * x1)) with (exp eps * exp (- (1 / 2) * x2 * x2)); [ring|].
  rewrite <- exp_plus. f_equal. unfold x1, x2. field. lra.
Qed.

(** The value the code returns, read in real arithmetic, is at least delta(epsilon, mu). *)
Theorem code_delta finite eps m : 0 <= eps -> 0 < m -> delta eps m <= Code.delta_from_epsilon finite eps m.
Proof.
  intros he hm. unfold Code.delta_from_epsilon. cbv zeta.
  destruct (Req_EM_T m 0); [lra|].
  assert (one : delta eps m <= 1)
    by (apply Rle_trans with (1 := delta_le_Phi eps m); apply Phi_le_1).
  destruct (finite m); [|exact one].
  set (x1 := eps / m - m / 2). set (x2 := eps / m + m / 2).
  destruct (Rle_dec 40 x1) as [h|h]; [now apply far|].
  set (error := 1 / 100000000000 + 8 * / 2 ^ 52 * x2 * (1 + Rabs x1)).
  destruct (Rlt_dec error (1 / 1000)); [|exact one].
  assert (ep : 0 <= error).
  { unfold error. assert (A := Rabs_pos x1). assert (0 <= eps / m) by (apply Rmult_le_pos; [exact he | left; now apply Rinv_0_lt_compat]).
    assert (0 <= x2) by (unfold x2; lra).
    assert (0 <= 8 * / 2 ^ 52) by lra.
    assert (0 <= 8 * / 2 ^ 52 * x2 * (1 + Rabs x1)) by (repeat apply Rmult_le_pos; lra). lra. }
  set (density0 := if Rlt_dec (Rabs x1) 40 then exp (- (1 / 2) * x1 * x1) else 0).
  set (second := 1 / 2 * density0 * erfcx (x2 / sqrt 2)).
  set (first := if Rle_dec 0 x1 then 1 / 2 * density0 * erfcx (x1 / sqrt 2) else Phi (- x1)).
  assert (F : first = Phi (m / 2 - eps / m)).
  { unfold first. replace (m / 2 - eps / m) with (- x1) by (unfold x1; ring).
    destruct (Rle_dec 0 x1) as [p|_]; [|reflexivity]. unfold density0.
    destruct (Rlt_dec (Rabs x1) 40) as [|N]; [apply erfcx_form|]. rewrite (Rabs_pos_eq x1 p) in N. lra. }
  assert (S : 0 <= second <= exp eps * Phi (- (m / 2) - eps / m)).
  { assert (Z : 0 <= exp eps * Phi (- (m / 2) - eps / m))
      by (apply Rmult_le_pos; [left; apply exp_pos | apply Phi_nonneg]).
    unfold second, density0. destruct (Rlt_dec (Rabs x1) 40).
    - assert (E := second_form eps m hm). fold x1 x2 in E. rewrite E. lra.
    - rewrite Rmult_0_r, Rmult_0_l. lra. }
  assert (fp : 0 <= first) by (rewrite F; apply Phi_nonneg).
  set (value := first - second + error * (first + second)).
  assert (V : delta eps m <= value).
  { unfold value, delta. rewrite <- F. assert (0 <= error * (first + second)) by (apply Rmult_le_pos; lra). lra. }
  set (peak := if Rle_dec (m * m) (2 * eps) then density0 else 1).
  set (cap := m * peak / sqrt (2 * PI) * (1 + error)).
  assert (C : delta eps m <= cap).
  { assert (R2 := root_2pi).
    assert (K : delta eps m <= m * peak / sqrt (2 * PI)).
    { unfold peak. destruct (Rle_dec (m * m) (2 * eps)) as [q|q].
      - assert (X := cap_peak eps m he hm q). fold x1 in X. unfold density0.
        assert (p : 0 <= x1).
        { unfold x1. apply (Rmult_le_reg_r m); [exact hm|].
          replace ((eps / m - m / 2) * m) with (eps - m * m / 2) by (field; lra). lra. }
        destruct (Rlt_dec (Rabs x1) 40) as [|N]; [|rewrite (Rabs_pos_eq x1 p) in N; lra].
        unfold Rdiv in *. rewrite Rmult_assoc. exact X.
      - assert (X := cap_always eps m he hm). unfold Rdiv in *. rewrite Rmult_1_r. rewrite Rmult_1_l in X. exact X. }
    unfold cap. assert (Y : 0 <= m * peak / sqrt (2 * PI)).
    { assert (pp : 0 <= peak).
      { assert (0 <= density0) by (unfold density0; destruct Rlt_dec; [left; apply exp_pos | lra]).
        unfold peak. destruct (Rle_dec (m * m) (2 * eps)); lra. }
      apply Rmult_le_pos; [apply Rmult_le_pos; lra | left; now apply Rinv_0_lt_compat]. }
    nra. }
  assert (tiny : 0 < 5 / 10 ^ 324) by (apply Rdiv_lt_0_compat; [lra | apply pow_lt; lra]).
  apply Rmin_glb; [|exact one].
  apply Rle_trans with (Rmax (Rmin (Rmin value cap) 1) (5 / 10 ^ 324)); [|lra].
  apply Rle_trans with (2 := Rmax_l _ _). repeat apply Rmin_glb; trivial.
Qed.
