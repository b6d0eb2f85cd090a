(* The objective along a segment: weighted rows, columns of rows, softmax and a quadratic penalty are
   self-concordant pieces, and pieces add up (proofs/gsc_constants.md). *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Code gsc_remainder gsc_constants.
Local Open Scope R_scope.

Section Objective.
Context {V : ModuleSpace R_Ring}.
Implicit Types (x : functional V) (u v : V).

(** x x', as a form *)
Program Definition outer x : form V := {| at_ := fun u w => x u * x w |}.
Next Obligation. ring. Qed.
Next Obligation. rewrite of_add. ring. Qed.
Next Obligation. rewrite of_scale. ring. Qed.

Variables (v : V) (t : R).
Hypothesis ht : 0 <= t.

(** ** Penalty: a quadratic whose gradient at the start is c *)

Definition quadratic (c : V -> R) (P : form V) (hP : nonneg P) : piece v t.
Proof.
  refine {| grad := fun a u => c u + a * P v u; hess := fun _ => P; third := fun _ _ => 0 |}.
  - intros a u. generalize (c u) (P v u). intros k m. auto_derive; [easy | ring].
  - intros a u. apply @is_derive_const.
  - intros a. exact hP.
  - intros a u. rewrite Rabs_R0. apply Rmult_le_pos; [exact ht | apply hP].
Defined.

(** ** A row: weight s, loss l at the margin z, |R0 x v| <= t *)

Section Row.
Variables (R0 s z : R) (l : loss R0) (x : functional V).
Hypothesis hs : 0 <= s.
Hypothesis reach : R0 * Rabs (x v) <= t.

Definition row : piece v t.
Proof.
  refine {| grad := fun a u => s * (l1 l (z + a * x v) * x u);
            hess := fun a => form_scale (s * l2 l (z + a * x v)) (outer x);
            third := fun a u => s * (l3 l (z + a * x v) * x v) * (x u * x u) |}.
  - intros a u. simpl. assert (D := d1 l (z + a * x v)). revert D. generalize (x v) (x u).
    intros m k D. derive_with D.
  - intros a u. simpl. assert (D := d2 l (z + a * x v)). revert D. generalize (x v) (x u).
    intros m k D. derive_with D.
  - intros a u. simpl. assert (C := convex l (z + a * x v)).
    apply Rmult_le_pos; [now apply Rmult_le_pos | apply (Rle_0_sqr (x u))].
  - intros a u. simpl. assert (C := convex l (z + a * x v)).
    assert (B := bounded_third l (z + a * x v)). assert (Q := Rle_0_sqr (x u)). unfold Rsqr in Q.
    set (m := z + a * x v) in *. assert (A := Rabs_pos (x v)).
    rewrite Rabs_mult, Rabs_mult, Rabs_mult, (Rabs_pos_eq s), (Rabs_pos_eq (x u * x u)) by assumption.
    replace (t * (s * l2 l m * (x u * x u))) with (s * (l2 l m * t) * (x u * x u)) by ring.
    apply Rmult_le_compat_r; [exact Q|]. apply Rmult_le_compat_l; [exact hs|].
    apply Rle_trans with (l2 l m * (R0 * Rabs (x v))).
    + replace (l2 l m * (R0 * Rabs (x v))) with (R0 * l2 l m * Rabs (x v)) by ring.
      now apply Rmult_le_compat_r.
    + now apply Rmult_le_compat_l.
Defined.
End Row.

(** ** Sums *)

Definition both (F G : piece v t) : piece v t.
Proof.
  refine {| grad := fun a u => grad F a u + grad G a u;
            hess := fun a => form_sum (hess F a) (hess G a);
            third := fun a u => third F a u + third G a u |}.
  - intros a u. apply (is_derive_plus (fun a => grad F a u) (fun a => grad G a u)); apply grad_derive.
  - intros a u. apply (is_derive_plus (fun a => hess F a u u) (fun a => hess G a u u)); apply hess_derive.
  - intros a. apply nonneg_sum; apply hess_pos.
  - intros a u. simpl. apply Rle_trans with (1 := Rabs_triang _ _). rewrite Rmult_plus_distr_l.
    apply Rplus_le_compat; apply concordant.
Defined.

(** Columns of a row, rows of a sample, all with a penalty: pieces added to a quadratic. *)
Definition objective (c : V -> R) (P : form V) (hP : nonneg P) (pieces : list (piece v t)) : piece v t :=
  fold_right both (quadratic c P hP) pieces.

(** ** Softmax: the classes ks of a row with margins z k, f = s (log sum exp z - z own) *)

Section Softmax.
Context {K : Type}.
Variables (s : R) (z : K -> R) (x : K -> functional V) (ks : list K) (own : K).
Hypothesis hs : 0 <= s.
Hypothesis some : ks <> nil.
(** range_k (x_k v) <= t *)
Hypothesis range : forall k l, x k v - x l v <= t.

Definition e k a := exp (z k + a * x k v).
Definition E a := total (fun k => e k a) ks.
Definition p k a := e k a / E a.
Definition mean (f : K -> R) a := total (fun k => p k a * f k) ks.
Definition slope k := x k v.

Lemma e_pos k a : 0 < e k a. Proof. apply exp_pos. Qed.
Lemma E_pos a : 0 < E a. Proof. apply total_pos; [exact some | intros; apply e_pos]. Qed.
Lemma p_pos k a : 0 <= p k a.
Proof. left. apply Rdiv_lt_0_compat; [apply e_pos | apply E_pos]. Qed.

Lemma p_total a : total (fun k => p k a) ks = 1.
Proof.
  unfold p, Rdiv. rewrite (total_ext _ (fun k => / E a * e k a)) by (intros; ring).
  rewrite total_scal. fold (E a). assert (P := E_pos a). field. lra.
Qed.

Lemma mean_const c a : mean (fun _ => c) a = c.
Proof.
  unfold mean. rewrite (total_ext _ (fun k => c * p k a)) by (intros; ring).
  rewrite total_scal, p_total. ring.
Qed.
Lemma mean_plus f g a : mean (fun k => f k + g k) a = mean f a + mean g a.
Proof. unfold mean. rewrite <- total_plus. apply total_ext. intros; ring. Qed.
Lemma mean_scal c f a : mean (fun k => c * f k) a = c * mean f a.
Proof. unfold mean. rewrite <- total_scal. apply total_ext. intros; ring. Qed.
Lemma mean_ext f g a : (forall k, f k = g k) -> mean f a = mean g a.
Proof. intros H. apply total_ext. intros k _. now rewrite H. Qed.
Lemma mean_le f g a : (forall k, f k <= g k) -> mean f a <= mean g a.
Proof. intros H. apply total_le. intros k _. apply Rmult_le_compat_l; [apply p_pos | apply H]. Qed.

Lemma e_derive k a : is_derive (e k) a (e k a * slope k).
Proof. unfold e, slope. generalize (x k v). intros m. auto_derive; [easy | ring]. Qed.

Lemma E_derive a : is_derive E a (E a * mean slope a).
Proof.
  replace (E a * mean slope a) with (total (fun k => e k a * slope k) ks).
  - apply (total_derive e (fun k a => e k a * slope k)). intros; apply e_derive.
  - unfold mean. rewrite <- total_scal. apply total_ext. intros k _. unfold p.
    assert (P := E_pos a). field. lra.
Qed.

Lemma p_derive k a : is_derive (p k) a (p k a * (slope k - mean slope a)).
Proof.
  assert (P := E_pos a). assert (D := e_derive k a). assert (D' := E_derive a). unfold p.
  replace (e k a / E a * (slope k - mean slope a))
    with ((e k a * slope k * E a - e k a * (E a * mean slope a)) / E a ^ 2) by (field; lra).
  apply (is_derive_div (e k) E); [exact D | exact D' | lra].
Qed.

Lemma mean_derive f a :
  is_derive (mean f) a (mean (fun k => f k * slope k) a - mean f a * mean slope a).
Proof.
  replace (mean (fun k => f k * slope k) a - mean f a * mean slope a)
    with (total (fun k => p k a * (slope k - mean slope a) * f k) ks).
  - apply (total_derive (fun k a => p k a * f k) (fun k a => p k a * (slope k - mean slope a) * f k)).
    intros k _. assert (D := p_derive k a). generalize (f k). intros c. derive_with D.
  - rewrite (total_ext _ (fun k => p k a * (f k * slope k) + - mean slope a * (p k a * f k)))
      by (intros; ring).
    rewrite total_plus, total_scal. fold (mean f a) (mean (fun k => f k * slope k) a). ring.
Qed.

(** covariance of two functions of the class *)
Definition cov f g a := mean (fun k => f k * g k) a - mean f a * mean g a.

Lemma cov_square f a : cov f f a = mean (fun k => (f k - mean f a) * (f k - mean f a)) a.
Proof.
  unfold cov. symmetry.
  rewrite (mean_ext _ (fun k => f k * f k + (- (2 * mean f a) * f k + mean f a * mean f a)))
    by (intros; ring).
  rewrite !mean_plus, mean_scal, mean_const. ring.
Qed.

Program Definition covariance a : form V := {| at_ := fun u w => cov (fun k => x k u) (fun k => x k w) a |}.
Next Obligation.
  unfold cov. rewrite (mean_ext (fun k => x k x0 * x k y) (fun k => x k y * x k x0)) by (intros; ring). ring.
Qed.
Next Obligation.
  unfold cov. rewrite (mean_ext _ (fun k => x k x0 * x k u + x k y * x k u)) by (intros; rewrite of_add; ring).
  rewrite (mean_ext (fun k => x k (plus x0 y)) (fun k => x k x0 + x k y)) by (intros; apply of_add).
  rewrite !mean_plus. ring.
Qed.
Next Obligation.
  unfold cov. rewrite (mean_ext _ (fun k => a0 * (x k x0 * x k u))) by (intros; rewrite of_scale; ring).
  rewrite (mean_ext (fun k => x k (scal a0 x0)) (fun k => a0 * x k x0)) by (intros; apply of_scale).
  rewrite !mean_scal. ring.
Qed.

Definition centred3 a u := let q k := x k u - mean (fun k => x k u) a in
  mean (fun k => (slope k - mean slope a) * (q k * q k)) a.

Lemma covariance_derive a u : is_derive (fun a => covariance a u u) a (centred3 a u).
Proof.
  simpl. unfold cov. set (f := fun k => x k u).
  assert (D1 := mean_derive (fun k => f k * f k) a). assert (D2 := mean_derive f a).
  replace (centred3 a u) with (mean (fun k => f k * f k * slope k) a - mean (fun k => f k * f k) a * mean slope a
    - 2 * mean f a * (mean (fun k => f k * slope k) a - mean f a * mean slope a)).
  - change (is_derive (fun a => mean (fun k => f k * f k) a - mean f a * mean f a) a
      (mean (fun k => f k * f k * slope k) a - mean (fun k => f k * f k) a * mean slope a
        - 2 * mean f a * (mean (fun k => f k * slope k) a - mean f a * mean slope a))).
    apply (is_derive_minus (mean (fun k => f k * f k)) (fun a => mean f a * mean f a)); [exact D1|].
    set (g := mean f) in *. set (m := mean (fun k => f k * slope k) a - g a * mean slope a) in *.
    derive_with D2.
  - symmetry. unfold centred3. cbv zeta. fold f. set (b := mean f a). set (c := mean slope a).
    rewrite (mean_ext _ (fun k => f k * f k * slope k + (- (2 * b) * (f k * slope k)
      + (b * b * slope k + (- c * (f k * f k) + (2 * b * c * f k + - (c * b * b))))))).
    + rewrite !mean_plus, !mean_scal, mean_const.
      change (mean f a) with b. change (mean slope a) with c. ring.
    + intros k. unfold f. ring.
Qed.

Definition softmax : piece v t.
Proof.
  refine {| grad := fun a u => s * (mean (fun k => x k u) a - x own u);
            hess := fun a => form_scale s (covariance a);
            third := fun a u => s * centred3 a u |}.
  - intros a u. simpl. assert (D := mean_derive (fun k => x k u) a). unfold cov.
    replace (mean (fun k => x k v * x k u) a - mean (fun k => x k v) a * mean (fun k => x k u) a)
      with (mean (fun k => x k u * slope k) a - mean (fun k => x k u) a * mean slope a).
    + revert D. generalize (x own u). generalize (mean (fun k => x k u * slope k) a - mean (fun k => x k u) a * mean slope a).
      set (g := mean (fun k => x k u)). intros d k D. derive_with D.
    + rewrite (mean_ext (fun k => x k u * slope k) (fun k => x k v * x k u)) by (intros; unfold slope; ring).
      unfold slope. ring.
  - intros a u. apply (is_derive_scal (fun a => covariance a u u) a s), covariance_derive.
  - intros a u. simpl. apply Rmult_le_pos; [exact hs|]. rewrite cov_square.
    rewrite <- (mean_const 0 a). apply mean_le. intros k. apply Rle_0_sqr.
  - intros a u. simpl. rewrite Rabs_mult, (Rabs_pos_eq s) by exact hs.
    replace (t * (s * cov (fun k => x k u) (fun k => x k u) a))
      with (s * (t * cov (fun k => x k u) (fun k => x k u) a)) by ring.
    apply Rmult_le_compat_l; [exact hs|]. rewrite cov_square.
    apply total_bound. intros k _. rewrite Rabs_mult, (Rabs_pos_eq (p k a)) by apply p_pos.
    set (q := x k u - mean (fun k => x k u) a). assert (Q := Rle_0_sqr q). unfold Rsqr in Q.
    rewrite Rabs_mult, (Rabs_pos_eq (q * q)) by exact Q.
    assert (B : Rabs (slope k - mean slope a) <= t).
    { assert (U : mean (fun l => slope k + -1 * slope l) a <= mean (fun _ => t) a)
        by (apply mean_le; intros l; unfold slope; assert (H := range k l); lra).
      assert (L : mean (fun _ => - t) a <= mean (fun l => slope k + -1 * slope l) a)
        by (apply mean_le; intros l; unfold slope; assert (H := range l k); lra).
      rewrite mean_plus, mean_scal, !mean_const in U, L.
      apply Rabs_le. lra. }
    assert (P := p_pos k a).
    replace (t * (p k a * (q * q))) with (p k a * (t * (q * q))) by ring.
    apply Rmult_le_compat_l; [exact P | now apply Rmult_le_compat_r].
Defined.

(** The gradient is that of the loss: f = log sum exp (z + a x v) - (z own + a x own v) *)
Theorem softmax_value a :
  is_derive (fun a => s * (ln (E a) - (z own + a * x own v))) a (grad softmax a v).
Proof.
  simpl. assert (P := E_pos a). assert (D := E_derive a).
  change (mean (fun k => x k v) a) with (mean slope a).
  revert D. generalize (mean slope a) (x own v) (z own). intros m k c D.
  auto_derive; [split; [exists (E a * m); exact D | split; [exact P | easy]]|].
  replace (Derive (fun y => E y) a) with (E a * m) by (symmetry; apply is_derive_unique; exact D).
  field. lra.
Qed.

(** Boehning: diag p - p p' <= kappa I *)
Lemma boehning (q f : K -> R) (P : R) ls : (forall k, 0 <= q k) -> P = total q ls ->
  P * total (fun k => q k * (f k * f k)) ls - total (fun k => q k * f k) ls * total (fun k => q k * f k) ls
  <= 2 * total (fun k => q k * (P - q k) * (f k * f k)) ls.
Proof.
  intros hq ->. induction ls as [|k ls IH]; simpl; [lra|].
  set (S := total q ls) in *. set (S2 := total (fun k => q k * (f k * f k)) ls) in *.
  set (S1 := total (fun k => q k * f k) ls) in *.
  assert (Z : 0 <= S2 + 2 * f k * S1 + f k * f k * S).
  { unfold S2, S1, S. rewrite <- !total_scal, <- !total_plus. apply total_nonneg. intros l _.
    replace (q l * (f l * f l) + 2 * f k * (q l * f l) + f k * f k * q l)
      with (q l * ((f l + f k) * (f l + f k))) by ring.
    apply Rmult_le_pos; [apply hq | apply (Rle_0_sqr (f l + f k))]. }
  replace (total (fun l => q l * (q k + S - q l) * (f l * f l)) ls)
    with (q k * S2 + total (fun l => q l * (S - q l) * (f l * f l)) ls).
  - assert (Q := hq k). assert (W : 0 <= q k * (S2 + 2 * f k * S1 + f k * f k * S)) by now apply Rmult_le_pos.
    nra.
  - unfold S2. rewrite <- total_scal, <- total_plus. apply total_ext. intros; ring.
Qed.

Theorem softmax_kappa f a : cov f f a <= Softmax_kappa * total (fun k => f k * f k) ks.
Proof.
  unfold cov, mean, Softmax_kappa.
  assert (B := boehning (fun k => p k a) f 1 ks (fun k => p_pos k a) (eq_sym (p_total a))).
  cbv beta in B. rewrite Rmult_1_l in B. apply Rle_trans with (1 := B). rewrite <- !total_scal.
  apply total_le. intros k _. assert (Q := Rle_0_sqr (f k)). assert (W := Rle_0_sqr (p k a - 1 / 2)).
  unfold Rsqr in *. nra.
Qed.
End Softmax.
End Objective.
