(* Double precision: sums of any length and order, and what `up` pays for (proofs/README.md, Rounding).
   Numbers are Flocq's format with 53 bits and smallest exponent -1074, without overflow: a sum that
   overflows is infinite or not a number, and refused by the code. *)
From Coq Require Import Reals Lra Lia ZArith.
From Coquelicot Require Import Coquelicot.
From Flocq Require Import Core Plus_error Relative.
From Formal Require Import Analysis Code.
Local Open Scope R_scope.

Definition fexp := FLT_exp (-1074) 53.
Definition float := generic_format radix2 fexp.
Definition fl := round radix2 fexp ZnearestE.
Definition ulp_ := ulp radix2 fexp.
Definition u := / 2 ^ 53.

#[local] Instance prec53 : Prec_gt_0 53. Proof. easy. Qed.
#[local] Instance valid : Valid_exp fexp := FLT_exp_valid (-1074) 53.

Lemma u_bpow : u = bpow radix2 (- 53).
Proof. unfold u. simpl. lra. Qed.

Lemma u_small : 0 < u < 1 / 1000.
Proof. unfold u. split; [apply Rinv_0_lt_compat, pow_lt; lra | simpl; lra]. Qed.

(** ** Sums *)

(** fl(x + y) = (x + y)(1 + d), |d| <= u/(1 + u); no underflow in a sum *)
Lemma addition_sharp x y : float x -> float y ->
  Rabs (fl (x + y) - (x + y)) <= u / (1 + u) * Rabs (x + y).
Proof.
  intros fx fy.
  destruct (FLT_plus_error_N_ex radix2 (-1074) 53 (fun z => negb (Z.even z)) x y fx fy) as [d [hd eq]].
  assert (U : u_ro radix2 53 = u) by (unfold u_ro, u; simpl; lra). rewrite U in hd.
  change (fl (x + y)) with (round radix2 (FLT_exp (-1074) 53) ZnearestE (x + y)). rewrite eq.
  replace ((x + y) * (1 + d) - (x + y)) with (d * (x + y)) by ring. rewrite Rabs_mult.
  apply Rmult_le_compat_r; [apply Rabs_pos | exact hd].
Qed.

Lemma addition x y : float x -> float y -> Rabs (fl (x + y) - (x + y)) <= u * Rabs (x + y).
Proof.
  intros fx fy. apply Rle_trans with (1 := addition_sharp x y fx fy). assert (P := u_small).
  apply Rmult_le_compat_r; [apply Rabs_pos|]. apply (Rmult_le_reg_r (1 + u)); [lra|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. nra.
Qed.

(** Any one rounding of what is not too small *)
Lemma rounded_sharp x : bpow radix2 (-1022) <= Rabs x -> Rabs (fl x - x) <= u / (1 + u) * Rabs x.
Proof.
  intros normal.
  assert (U : u_ro radix2 53 = u) by (unfold u_ro, u; simpl; lra).
  destruct (relative_error_N_FLX'_ex radix2 53 eq_refl (fun z => negb (Z.even z)) x) as [d [hd eq]].
  rewrite U in hd.
  assert (S : fl x = round radix2 (FLX_exp 53) ZnearestE x).
  { unfold fl, fexp. apply round_FLT_FLX. exact normal. }
  rewrite S, eq. replace (x * (1 + d) - x) with (d * x) by ring. rewrite Rabs_mult.
  apply Rmult_le_compat_r; [apply Rabs_pos | exact hd].
Qed.

(** x1 = fl(fl(eps/mu) - mu/2) is off by at most 2 u x2 (proofs/delta_from_epsilon.md); halving is exact. *)
Theorem x1_error eps mu : bpow radix2 (-1022) <= eps / mu -> 0 < mu -> float (mu / 2) ->
  Rabs (fl (fl (eps / mu) - mu / 2) - (eps / mu - mu / 2)) <= 2 * u * (eps / mu + mu / 2).
Proof.
  intros normal mp half. assert (B := bpow_gt_0 radix2 (-1022)). set (q := eps / mu) in *. set (h := mu / 2) in *.
  assert (hp : 0 < h) by (unfold h; lra). assert (P := u_small).
  assert (Q := rounded_sharp q). rewrite (Rabs_pos_eq q) in Q by lra. specialize (Q normal).
  assert (A := addition_sharp (fl q) (- h)). unfold Rminus in *.
  assert (F : float (fl q)) by (apply generic_format_round; typeclasses eauto).
  assert (F' : float (- h)) by (now apply generic_format_opp).
  specialize (A F F'). set (k := u / (1 + u)) in *.
  assert (k0 : 0 <= k) by (unfold k; apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra]).
  assert (ku : k * (1 + u) = u) by (unfold k; field; lra).
  assert (S : Rabs (fl q + - h) <= q + k * q + h).
  { replace (fl q + - h) with ((fl q + - q) + (q + - h)) by ring.
    apply Rle_trans with (1 := Rabs_triang _ _).
    assert (Rabs (q + - h) <= q + h) by (apply Rabs_le; lra). lra. }
  replace (fl (fl q + - h) + - (q + - h)) with ((fl (fl q + - h) + - (fl q + - h)) + (fl q + - q)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _).
  assert (T : k * Rabs (fl q + - h) <= k * (q + k * q + h)) by now apply Rmult_le_compat_l.
  assert (W : k * (2 + k) <= 2 * u) by nra.
  assert (X : k <= 2 * u) by nra.
  assert (k * (q + k * q + h) + k * q = q * (k * (2 + k)) + h * k) by ring. nra.
Qed.

(** A sum in any order: a tree. A leaf is a float c that stands for x, |x| <= m, with k roundings
    behind it; a node one more rounding than the deeper of its two. *)
Inductive tree :=
  | leaf (c x m : R) (k : nat)
  | node (left right : tree).

Fixpoint computed t := match t with leaf c _ _ _ => c | node l r => fl (computed l + computed r) end.
Fixpoint exact_sum t := match t with leaf _ x _ _ => x | node l r => exact_sum l + exact_sum r end.
Fixpoint mass t := match t with leaf _ _ m _ => m | node l r => mass l + mass r end.
Fixpoint depth t := match t with leaf _ _ _ k => k | node l r => S (Nat.max (depth l) (depth r)) end.

Definition growth n := (1 + u) ^ n - 1.
Fixpoint sound t := match t with
  | leaf c x m k => float c /\ Rabs x <= m /\ Rabs (c - x) <= growth k * m
  | node l r => sound l /\ sound r
  end.

Lemma growth_S n : growth (S n) = (1 + u) * growth n + u.
Proof. unfold growth. simpl. ring. Qed.

Lemma growth_pos n : 0 <= growth n.
Proof. induction n; [unfold growth; simpl; lra | rewrite growth_S; assert (P := u_small); nra]. Qed.

Lemma growth_le n m : (n <= m)%nat -> growth n <= growth m.
Proof.
  induction 1 as [|m _ IH]; [lra|]. rewrite growth_S. assert (P := u_small). assert (Q := growth_pos m). nra.
Qed.

Lemma sound_mass t : sound t -> Rabs (exact_sum t) <= mass t.
Proof.
  induction t as [c x m k|l IHl r IHr]; simpl; [tauto|]. intros [hl hr].
  apply Rle_trans with (1 := Rabs_triang _ _). specialize (IHl hl). specialize (IHr hr). lra.
Qed.

Lemma sound_float t : sound t -> float (computed t).
Proof.
  destruct t as [c x m k|l r]; simpl; [tauto|]. intros _. apply generic_format_round; typeclasses eauto.
Qed.

Theorem sum_growth t : sound t -> Rabs (computed t - exact_sum t) <= growth (depth t) * mass t.
Proof.
  induction t as [c x m k|l IHl r IHr]; simpl; [tauto|]. intros [hl hr].
  specialize (IHl hl). specialize (IHr hr). assert (Ml := sound_mass l hl). assert (Mr := sound_mass r hr).
  assert (Gl := growth_le (depth l) _ (Nat.le_max_l (depth l) (depth r))).
  assert (Gr := growth_le (depth r) _ (Nat.le_max_r (depth l) (depth r))).
  set (n := Nat.max (depth l) (depth r)) in *.
  assert (A := addition _ _ (sound_float l hl) (sound_float r hr)).
  set (a := computed l) in *. set (b := computed r) in *. set (x := exact_sum l) in *. set (y := exact_sum r) in *.
  set (p := mass l) in *. set (q := mass r) in *.
  assert (p0 : 0 <= p) by (assert (X := Rabs_pos x); lra). assert (q0 : 0 <= q) by (assert (X := Rabs_pos y); lra).
  assert (P := u_small). assert (G := growth_pos n). rewrite growth_S.
  assert (E : Rabs (a + b - (x + y)) <= growth n * (p + q)).
  { replace (a + b - (x + y)) with ((a - x) + (b - y)) by ring.
    apply Rle_trans with (1 := Rabs_triang _ _). nra. }
  assert (S : Rabs (a + b) <= growth n * (p + q) + (p + q)).
  { replace (a + b) with ((a + b - (x + y)) + (x + y)) by ring.
    apply Rle_trans with (1 := Rabs_triang _ _). assert (T := Rabs_triang x y). lra. }
  replace (fl (a + b) - (x + y)) with ((fl (a + b) - (a + b)) + (a + b - (x + y))) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). nra.
Qed.

(** (1 + u)^n - 1 <= n u/(1 - n u) *)
Lemma growth_gamma n : INR n * u < 1 -> growth n <= INR n * u / (1 - INR n * u).
Proof.
  assert (P := u_small). induction n as [|n IH].
  - intros _. unfold growth. simpl. unfold Rdiv. lra.
  - intros H. rewrite S_INR in *. assert (N := pos_INR n). specialize (IH ltac:(nra)). rewrite growth_S.
    set (a := INR n * u) in *. replace ((INR n + 1) * u) with (a + u) in * by (unfold a; ring).
    assert (a0 : 0 <= a) by (unfold a; nra).
    apply Rle_trans with ((1 + u) * (a / (1 - a)) + u); [nra|].
    replace ((1 + u) * (a / (1 - a)) + u) with ((a + u) / (1 - a)) by (field; lra).
    apply Rmult_le_compat_l; [lra | apply Rinv_le_contravar; lra].
Qed.

(** gamma(n), sums of any length, any order, of any terms *)
Theorem sum_gamma t : sound t -> INR (depth t) * u < 1 ->
  Rabs (computed t - exact_sum t) <= INR (depth t) * u / (1 - INR (depth t) * u) * mass t.
Proof.
  intros H small. apply Rle_trans with (1 := sum_growth t H). apply Rmult_le_compat_r.
  - assert (M := sound_mass t H). assert (X := Rabs_pos (exact_sum t)). lra.
  - now apply growth_gamma.
Qed.

(** A product of floats is a leaf with one rounding, where it does not underflow. *)
Theorem product_leaf x y : float x -> float y -> bpow radix2 (-1022) <= Rabs (x * y) ->
  sound (leaf (fl (x * y)) (x * y) (Rabs (x * y)) 1).
Proof.
  intros _ _ normal. simpl. split; [apply generic_format_round; typeclasses eauto|]. split; [lra|].
  assert (E := relative_error_N_FLT radix2 (-1074) 53 eq_refl (fun z => negb (Z.even z)) (x * y) normal).
  unfold growth. rewrite pow_1. replace (1 + u - 1) with u by ring.
  apply Rle_trans with (1 := E). right. f_equal. unfold u. simpl. lra.
Qed.

(** ** up(x, k) = fl(x + k ulp x) *)

Definition up_float k x := fl (x + IZR k * ulp_ x).

Lemma ulp_double x : bpow radix2 (-1022) <= x -> ulp_ (2 * x) = 2 * ulp_ x.
Proof.
  intros H. assert (B := bpow_gt_0 radix2 (-1022)). unfold ulp_.
  rewrite !ulp_neq_0 by lra. unfold cexp.
  replace (2 * x) with (x * bpow radix2 1) by (change (bpow radix2 1) with 2; ring). rewrite mag_mult_bpow by lra.
  assert (M : (-1021 <= mag radix2 x)%Z).
  { apply mag_ge_bpow. rewrite Rabs_pos_eq by lra. exact H. }
  unfold fexp, FLT_exp. rewrite !Z.max_l by lia.
  replace (mag radix2 x + 1 - 53)%Z with (mag radix2 x - 53 + 1)%Z by ring.
  rewrite bpow_plus. change (bpow radix2 1) with 2. ring.
Qed.

(** The multiple of a unit is itself a float. *)
Theorem units_exact k x : (0 <= k < 2 ^ 53)%Z -> x <> 0 -> float (IZR k * ulp_ x).
Proof.
  intros hk hx. unfold ulp_. rewrite ulp_neq_0 by exact hx.
  apply generic_format_FLT. exists (Float radix2 k (cexp radix2 fexp x)); simpl.
  - reflexivity.
  - rewrite Z.abs_eq by lia. lia.
  - unfold cexp, fexp, FLT_exp. lia.
Qed.

(** up(x, k) is at least (k - 1) u above x, relatively. *)
Theorem up_pays k x : bpow radix2 (-1022) <= x -> (1 <= k <= 2 ^ 52)%Z ->
  x * (1 + IZR (k - 1) * u) <= up_float k x.
Proof.
  intros normal hk. assert (B := bpow_gt_0 radix2 (-1022)). assert (xp : 0 < x) by lra.
  set (y := x + IZR k * ulp_ x).
  assert (k1 : 1 <= IZR k) by (apply IZR_le; lia).
  assert (k2 : IZR k <= 2 ^ 52) by (replace (2 ^ 52) with (IZR (2 ^ 52)) by (simpl; lra); apply IZR_le; lia).
  assert (U1 : x * u < ulp_ x).
  { assert (L := ulp_FLT_gt radix2 (-1074) 53 x). rewrite Rabs_pos_eq in L by lra. rewrite u_bpow. exact L. }
  assert (U2 : ulp_ x <= x * (2 * u)).
  { assert (L := ulp_FLT_le radix2 (-1074) 53 x). rewrite Rabs_pos_eq in L by lra.
    specialize (L normal). replace (2 * u) with (bpow radix2 (1 - 53)); [exact L|].
    rewrite u_bpow. unfold Z.sub. rewrite bpow_plus. reflexivity. }
  assert (up0 := u_small).
  assert (Y2 : y <= 2 * x).
  { unfold y. assert (Z : IZR k * ulp_ x <= 2 ^ 52 * (x * (2 * u))) by (apply Rmult_le_compat; lra).
    assert (W : 2 ^ 52 * (x * (2 * u)) = x) by (unfold u; field). lra. }
  assert (Y0 : 0 < y) by (unfold y; nra).
  assert (UY : ulp_ y <= 2 * ulp_ x).
  { rewrite <- ulp_double by exact normal. unfold ulp_. apply ulp_le; try typeclasses eauto.
    rewrite !Rabs_pos_eq by lra. exact Y2. }
  assert (E := error_le_half_ulp radix2 fexp (fun z => negb (Z.even z)) y).
  fold fl in E. change (ulp radix2 fexp y) with (ulp_ y) in E.
  assert (F : y - ulp_ x <= fl y).
  { apply Rabs_le_between in E. change (round radix2 fexp ZnearestE y) with (fl y) in E. lra. }
  unfold up_float. fold y. apply Rle_trans with (2 := F). unfold y.
  rewrite minus_IZR. nra.
Qed.

(** ** phi from 0.01 on: expm1 right to two units (4 u), the quotient and the product with the guard round,
    and what the guard of 1e-13 pays for is enough (proofs/gsc_remainder.md). *)

Lemma fl_below x : bpow radix2 (-1022) <= x -> x * (1 - u) <= fl x.
Proof.
  intros H. assert (B := bpow_gt_0 radix2 (-1022)). assert (E := rounded_sharp x).
  rewrite Rabs_pos_eq in E by lra. specialize (E H). apply Rabs_le_between in E.
  assert (P := u_small). assert (Q : u / (1 + u) <= u).
  { apply (Rmult_le_reg_r (1 + u)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. nra. }
  nra.
Qed.

Lemma normal_one x : / 2 ^ 100 <= x -> bpow radix2 (-1022) <= x.
Proof.
  intros H. apply Rle_trans with (2 := H). replace (/ 2 ^ 100) with (bpow radix2 (-100)).
  - apply bpow_le. lia.
  - change (-100)%Z with (- (100))%Z. rewrite bpow_opp. f_equal. rewrite <- (IZR_Zpower radix2 100) by lia.
    rewrite pow_IZR. reflexivity.
Qed.

(** What cancels: expm1(t)/(expm1(t) - t) <= 2/t + 2 *)
Lemma cancelled t : 0 < t -> exp t - 1 <= (2 / t + 2) * (exp t - 1 - t).
Proof.
  intros tp.
  assert (S := stays (fun x => exp x - 1 - x - x * x / 2) (fun x => exp x - 1 - x) t).
  cbv beta in S. rewrite exp_0 in S.
  assert (Z : 0 <= exp t - 1 - t - t * t / 2).
  { apply S; try lra.
    - intros x _. auto_derive; [easy | field].
    - intros x _. assert (E := exp_ineq1_le x). lra. }
  assert (W : t <= 2 / t * (exp t - 1 - t)).
  { apply (Rmult_le_reg_l t); [exact tp|].
    replace (t * (2 / t * (exp t - 1 - t))) with (2 * (exp t - 1 - t)) by (field; lra). lra. }
  assert (0 <= exp t - 1 - t) by nra. lra.
Qed.

Theorem guarded_remainder t e guard : 1 / 100 <= t -> float e -> float t ->
  (exp t - 1) * (1 - 4 * u) <= e ->
  (1 + 1 / 10 ^ 13) * (1 - u) <= guard ->
  (exp t - 1 - t) / t <= fl (fl (fl (e - t) / t) * guard).
Proof.
  intros ht fe ft he hg. assert (P := u_small). set (E := exp t - 1) in *. set (D := E - t).
  assert (tp : 0 < t) by lra. assert (C : E <= 202 * D).
  { apply Rle_trans with (1 := cancelled t tp). fold E D.
    assert (T : 2 / t <= 200).
    { apply (Rmult_le_reg_r t); [exact tp|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. lra. }
    assert (0 <= D) by (unfold D, E; assert (X := exp_ineq1_le t); lra). nra. }
  assert (E1 : t <= E) by (unfold E; assert (X := exp_ineq1_le t); lra).
  assert (D1 : 1 / 100 / 202 <= D) by lra.
  assert (X1 : D * (1 - 808 * u) <= e - t) by (unfold D in *; nra).
  assert (U : 808 * u <= 1 / 10 ^ 10) by (unfold u; simpl; lra).
  assert (X1' : 1 / 100 / 203 <= e - t) by nra.
  assert (Y1 : D * (1 - 808 * u) * (1 - u) <= fl (e - t)).
  { assert (L := fl_below (e - t) (normal_one _ ltac:(apply Rle_trans with (2 := X1'); simpl; lra))). nra. }
  assert (Y1' : 1 / 100 / 204 <= fl (e - t)) by nra.
  (* the quotient *)
  set (q := fl (e - t) / t).
  assert (Q1 : D / t * ((1 - 808 * u) * (1 - u)) <= q).
  { unfold q, Rdiv. replace (D * / t * ((1 - 808 * u) * (1 - u))) with (D * (1 - 808 * u) * (1 - u) * / t) by ring.
    apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | exact Y1]. }
  assert (DT : 1 / 2000000 <= D / t).
  { apply (Rmult_le_reg_r t); [exact tp|]. unfold Rdiv at 2. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. lra. }
  assert (qn : / 2 ^ 100 <= q) by (apply Rle_trans with (2 := Q1); simpl; nra).
  assert (Y2 : D / t * ((1 - 808 * u) * (1 - u)) * (1 - u) <= fl q).
  { assert (L := fl_below q (normal_one _ qn)). nra. }
  (* the guard *)
  set (k := D / t) in *. set (p := fl q * guard).
  assert (G : k * (((1 - 808 * u) * (1 - u)) * (1 - u) * ((1 + 1 / 10 ^ 13) * (1 - u))) <= p).
  { unfold p. replace (k * (((1 - 808 * u) * (1 - u)) * (1 - u) * ((1 + 1 / 10 ^ 13) * (1 - u))))
      with (k * ((1 - 808 * u) * (1 - u)) * (1 - u) * ((1 + 1 / 10 ^ 13) * (1 - u))) by ring.
    apply Rmult_le_compat; trivial; [|simpl; nra].
    apply Rmult_le_pos; [|lra]. apply Rmult_le_pos; [lra | nra]. }
  assert (F : 1 <= ((1 - 808 * u) * (1 - u)) * (1 - u) * ((1 + 1 / 10 ^ 13) * (1 - u)) * (1 - u)).
  { unfold u. simpl. lra. }
  assert (pn : / 2 ^ 100 <= p) by (apply Rle_trans with (2 := G); simpl in *; nra).
  apply Rle_trans with (2 := fl_below p (normal_one _ pn)).
  apply Rle_trans with (k * ((((1 - 808 * u) * (1 - u)) * (1 - u) * ((1 + 1 / 10 ^ 13) * (1 - u))) * (1 - u))); [nra|].
  rewrite <- Rmult_assoc. apply Rmult_le_compat_r; [lra | exact G].
Qed.

(** So a result that is right to n units is at most up(result, n + 3/2); Gappa shows that n. *)
Theorem up_covers k n x exact : bpow radix2 (-1022) <= x -> (1 <= k <= 2 ^ 20)%Z -> 0 <= n ->
  n + 3 / 2 <= IZR k -> 0 <= exact -> exact * (1 - n * u) <= x -> exact <= up_float k x.
Proof.
  intros normal hk hn nk ep H. assert (P := up_pays k x normal ltac:(lia)).
  apply Rle_trans with (2 := P). rewrite minus_IZR.
  assert (U := u_small).
  assert (K : IZR k <= 2 ^ 20) by (replace (2 ^ 20) with (IZR (2 ^ 20)) by (simpl; lra); apply IZR_le; lia).
  assert (S : n * u <= 1 / 1000).
  { apply Rle_trans with (2 ^ 20 * u); [apply Rmult_le_compat_r; lra | unfold u; simpl; lra]. }
  assert (T : 1 <= (1 - n * u) * (1 + (IZR k - 1) * u)).
  { assert (n * u * ((IZR k - 1) * u) <= 1 / 2 * u).
    { replace (n * u * ((IZR k - 1) * u)) with (n * u * (IZR k - 1) * u) by ring.
      apply Rmult_le_compat_r; [lra|].
      apply Rle_trans with (2 ^ 20 * u * 2 ^ 20); [|unfold u; simpl; lra].
      apply Rmult_le_compat; try lra; [apply Rmult_le_pos; lra | apply Rmult_le_compat_r; lra]. }
    nra. }
  apply Rle_trans with (exact * ((1 - n * u) * (1 + (IZR k - 1) * u))); [nra|].
  rewrite <- Rmult_assoc. apply Rmult_le_compat_r; [nra | exact H].
Qed.

(** gamma as the code has it, real arithmetic and outward rounding: n u/(1 - n u) or more *)
Theorem code_gamma o n g : 0 <= n -> Code.gamma o n = Some g -> n * u / (1 - n * u) <= g.
Proof.
  intros hn. unfold Code.gamma. cbv zeta.
  replace (n * (/ 2 ^ 52 / 2)) with (n * u) by (unfold u; simpl; lra).
  destruct (Rle_dec (1 / 2) (n * u)); [discriminate|]. intros H; injection H as <-.
  apply Rounded.above.
Qed.
