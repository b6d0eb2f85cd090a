(* The one-dimensional core of certified removal: no test tells N(m, 1) from N(0, 1) better than a
   half-line does, and means at most r + r_fit apart are as good as delta(epsilon, mu) says. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Gaussian delta_from_epsilon.
Local Open Scope R_scope.

(** gain of outcome x: positive exactly beyond eps/m + m/2 *)
Definition gain eps m x := density m x - exp eps * density 0 x.
Definition cut eps m := eps / m + m / 2.

Lemma gain_above eps m x : 0 < m -> cut eps m <= x -> 0 <= gain eps m x.
Proof.
  intros hm hx. unfold gain, cut in *. rewrite ratio. assert (P := density_pos 0 x).
  assert (E : eps <= m * x - m * m / 2).
  { apply (Rmult_le_compat_l m) in hx; [|lra].
    replace (m * (eps / m + m / 2)) with (eps + m * m / 2) in hx by (field; lra). lra. }
  assert (X := exp_rises _ _ E). nra.
Qed.

Lemma gain_below eps m x : 0 < m -> x <= cut eps m -> gain eps m x <= 0.
Proof.
  intros hm hx. unfold gain, cut in *. rewrite ratio. assert (P := density_pos 0 x).
  assert (E : m * x - m * m / 2 <= eps).
  { apply (Rmult_le_compat_l m) in hx; [|lra].
    replace (m * (eps / m + m / 2)) with (eps + m * m / 2) in hx by (field; lra). lra. }
  assert (X := exp_rises _ _ E). nra.
Qed.

Lemma gain_RInt_derive eps m x : is_derive (fun x => Phi (x - m) - exp eps * Phi (x - 0)) x (gain eps m x).
Proof.
  unfold gain. apply (is_derive_minus (fun x => Phi (x - m)) (fun x => exp eps * Phi (x - 0))).
  - apply Phi_shift_derive.
  - apply (is_derive_scal (fun x => Phi (x - 0)) x (exp eps)), Phi_shift_derive.
Qed.

Lemma gain_continuous eps m x : continuous (gain eps m) x.
Proof. apply (ex_derive_continuous (gain eps m)). unfold gain, density. auto_derive. easy. Qed.

Lemma gain_integrable eps m a b : ex_RInt (gain eps m) a b.
Proof. apply (ex_RInt_continuous (gain eps m)). intros x _. apply gain_continuous. Qed.

Lemma gain_RInt eps m a b :
  RInt (gain eps m) a b = (Phi (b - m) - exp eps * Phi b) - (Phi (a - m) - exp eps * Phi a).
Proof.
  rewrite <- (Rminus_0_r b) at 3. rewrite <- (Rminus_0_r a) at 3.
  apply is_RInt_unique.
  apply (is_RInt_derive (fun x => Phi (x - m) - exp eps * Phi (x - 0)) (gain eps m)).
  - intros x _. apply gain_RInt_derive.
  - intros x _. apply gain_continuous.
Qed.

(** Neyman-Pearson on a window, for a randomised test: psi x is the probability of saying "m" *)
Theorem best_test eps m a b psi :
  0 < m -> a <= cut eps m <= b ->
  (forall x, 0 <= psi x <= 1) -> ex_RInt (fun x => psi x * gain eps m x) a b ->
  RInt (fun x => psi x * gain eps m x) a b <= RInt (gain eps m) (cut eps m) b.
Proof.
  intros hm hab hpsi hint. set (c := cut eps m) in *.
  assert (I1 : ex_RInt (fun x => psi x * gain eps m x) a c)
    by (apply (@ex_RInt_Chasles_1 R_CompleteNormedModule _ a c b); [lra | exact hint]).
  assert (I2 : ex_RInt (fun x => psi x * gain eps m x) c b)
    by (apply (@ex_RInt_Chasles_2 R_CompleteNormedModule _ a c b); [lra | exact hint]).
  rewrite <- (RInt_Chasles (fun x => psi x * gain eps m x) a c b I1 I2). unfold plus; simpl.
  assert (L : RInt (fun x => psi x * gain eps m x) a c <= RInt (fun _ => 0) a c).
  { apply RInt_le; [lra | exact I1 | apply ex_RInt_const |].
    intros x hx. assert (G := gain_below eps m x hm ltac:(fold c; lra)). assert (H := hpsi x). nra. }
  rewrite RInt_const in L. unfold scal in L; simpl in L; unfold mult in L; simpl in L.
  assert (U : RInt (fun x => psi x * gain eps m x) c b <= RInt (gain eps m) c b).
  { apply RInt_le; [lra | exact I2 | apply gain_integrable |].
    intros x hx. assert (G := gain_above eps m x hm ltac:(fold c; lra)). assert (H := hpsi x). nra. }
  lra.
Qed.

(** The half-line's gain: at most delta on every window, and as near to it as one likes. *)
Lemma half_line eps m b : 0 < m ->
  RInt (gain eps m) (cut eps m) b = delta eps m - ((1 - Phi (b - m)) - exp eps * (1 - Phi b)).
Proof.
  intros hm. rewrite gain_RInt. unfold delta, cut.
  replace (m / 2 - eps / m) with (- (eps / m + m / 2 - m)) by (field; lra).
  replace (- (m / 2) - eps / m) with (- (eps / m + m / 2)) by ring.
  rewrite !Phi_opp. reals. ring.
Qed.

Lemma rest_nonneg eps m b : 0 < m -> cut eps m <= b -> 0 <= (1 - Phi (b - m)) - exp eps * (1 - Phi b).
Proof.
  intros hm hb. apply le_epsilon. intros eta heta.
  set (k := 1 + exp eps). assert (kp : 0 < k) by (assert (P := exp_pos eps); unfold k; lra).
  destruct (tail_vanishes (eta / k) ltac:(now apply Rdiv_lt_0_compat)) as [y [yp small]].
  set (z := Rmax b (Rmax y (y + m))).
  assert (zb : b <= z) by apply Rmax_l.
  assert (zy : y <= z) by (unfold z; apply Rle_trans with (2 := Rmax_r _ _); apply Rmax_l).
  assert (zm : y <= z - m) by (assert (y + m <= z) by (unfold z; apply Rle_trans with (2 := Rmax_r _ _); apply Rmax_r); lra).
  assert (T : 1 - eta / k <= Phi z) by (assert (A := proj1 (Phi_tail y ltac:(lra))); assert (B := Phi_rises y z zy); lra).
  assert (T' : 1 - eta / k <= Phi (z - m)) by (assert (A := proj1 (Phi_tail y ltac:(lra))); assert (B := Phi_rises y (z - m) zm); lra).
  assert (G : 0 <= RInt (gain eps m) b z).
  { apply RInt_ge_0; [exact zb | apply gain_integrable |]. intros x hx. apply gain_above; lra. }
  rewrite gain_RInt in G. assert (Z1 := Phi_le_1 z). assert (Z2 := Phi_le_1 (z - m)).
  assert (P := exp_pos eps). assert (Q : 0 < eta / k) by now apply Rdiv_lt_0_compat.
  assert (S : exp eps * (1 - Phi z) <= exp eps * (eta / k)) by (apply Rmult_le_compat_l; lra).
  assert (E : eta / k + exp eps * (eta / k) = eta) by (unfold k; field; unfold k in kp; lra).
  nra.
Qed.

(** Any test on any window: P(T) <= e^eps Q(T) + delta(eps, m) *)
Theorem indistinguishable eps m a b psi :
  0 < m -> (forall x, 0 <= psi x <= 1) ->
  ex_RInt (fun x => psi x * density m x) a b -> ex_RInt (fun x => psi x * density 0 x) a b ->
  a <= cut eps m <= b ->
  RInt (fun x => psi x * density m x) a b
    <= exp eps * RInt (fun x => psi x * density 0 x) a b + delta eps m.
Proof.
  intros hm hpsi I1 I2 hab.
  assert (I3 : ex_RInt (fun x => exp eps * (psi x * density 0 x)) a b) by (apply (ex_RInt_scal (fun x => psi x * density 0 x)); exact I2).
  assert (S : RInt (fun x => psi x * gain eps m x) a b
    = RInt (fun x => psi x * density m x) a b - exp eps * RInt (fun x => psi x * density 0 x) a b).
  { assert (M := @RInt_minus R_CompleteNormedModule (fun x => psi x * density m x)
      (fun x => exp eps * (psi x * density 0 x)) a b I1 I3).
    assert (K := @RInt_scal R_CompleteNormedModule (fun x => psi x * density 0 x) a b (exp eps) I2).
    unfold scal in K; simpl in K; unfold mult in K; simpl in K.
    unfold minus, plus, opp in M; simpl in M. rewrite K in M.
    transitivity (RInt (fun x => psi x * density m x + - (exp eps * (psi x * density 0 x))) a b); [|lra].
    apply RInt_ext. intros x _. unfold gain. reals. ring. }
  assert (I4 : ex_RInt (fun x => psi x * gain eps m x) a b).
  { apply (ex_RInt_ext (fun x => minus (psi x * density m x) (exp eps * (psi x * density 0 x)))).
    - intros x _. unfold gain, minus, plus, opp; simpl. reals. ring.
    - apply (ex_RInt_minus (fun x => psi x * density m x)); assumption. }
  assert (B := best_test eps m a b psi hm hab hpsi I4). rewrite S in B.
  rewrite half_line in B by exact hm. assert (N := rest_nonneg eps m b hm (proj2 hab)). lra.
Qed.

(** The other way round, N(0, 1) against N(m, 1): the reflection x -> m - x exchanges the two. *)
Lemma reflected m (f : R -> R) a b : ex_RInt f a b ->
  RInt f a b = RInt (fun y => f (m - y)) (m - b) (m - a) /\ ex_RInt (fun y => f (m - y)) (m - b) (m - a).
Proof.
  intros I.
  assert (E : forall y, -1 * y + m = m - y) by (intros; ring).
  assert (I' : ex_RInt f (-1 * (m - a) + m) (-1 * (m - b) + m)).
  { rewrite !E. replace (m - (m - a)) with a by ring. replace (m - (m - b)) with b by ring. exact I. }
  assert (J := ex_RInt_comp_lin f (-1) m (m - a) (m - b) I').
  assert (K := @RInt_comp_lin R_CompleteNormedModule f (-1) m (m - a) (m - b) I').
  rewrite !E in K. replace (m - (m - a)) with a in K by ring. replace (m - (m - b)) with b in K by ring.
  assert (L : ex_RInt (fun y => f (m - y)) (m - a) (m - b)).
  { apply (ex_RInt_ext (fun y => scal (-1) (scal (-1) (f (-1 * y + m))))).
    - intros y _. rewrite E. unfold scal; simpl; unfold mult; simpl. reals. ring.
    - apply (ex_RInt_scal (fun y => scal (-1) (f (-1 * y + m)))). exact J. }
  assert (M : RInt f a b = - RInt (fun y => f (m - y)) (m - a) (m - b)).
  { rewrite <- K. rewrite (RInt_ext _ (fun y => opp (f (m - y)))).
    - apply (@RInt_opp R_CompleteNormedModule (fun y => f (m - y)) (m - a) (m - b) L).
    - intros y _. rewrite E. unfold scal, opp; simpl; unfold mult; simpl. reals. ring. }
  split; [|apply ex_RInt_swap; exact L].
  rewrite M. symmetry. rewrite <- (@opp_RInt_swap R_CompleteNormedModule _ _ _ L). reflexivity.
Qed.

Theorem indistinguishable_back eps m a b psi :
  0 < m -> (forall x, 0 <= psi x <= 1) ->
  ex_RInt (fun x => psi x * density m x) a b -> ex_RInt (fun x => psi x * density 0 x) a b ->
  m - b <= cut eps m <= m - a ->
  RInt (fun x => psi x * density 0 x) a b
    <= exp eps * RInt (fun x => psi x * density m x) a b + delta eps m.
Proof.
  intros hm hpsi I1 I2 hab.
  destruct (reflected m _ a b I1) as [E1 J1]. destruct (reflected m _ a b I2) as [E2 J2].
  rewrite E1, E2. cbv beta in *.
  assert (D0 : forall y, density 0 (m - y) = density m y)
    by (intros; rewrite (density_shift m), <- density_even; f_equal; ring).
  assert (Dm : forall y, density m (m - y) = density 0 y)
    by (intros; rewrite (density_shift m), <- density_even; f_equal; ring).
  rewrite (RInt_ext (fun y => psi (m - y) * density 0 (m - y)) (fun y => psi (m - y) * density m y))
    by (intros; now rewrite D0).
  rewrite (RInt_ext (fun y => psi (m - y) * density m (m - y)) (fun y => psi (m - y) * density 0 y))
    by (intros; now rewrite Dm).
  apply (indistinguishable eps m (m - b) (m - a) (fun y => psi (m - y))); trivial.
  - apply (ex_RInt_ext (fun y => psi (m - y) * density 0 (m - y))); [intros; now rewrite D0 | exact J2].
  - apply (ex_RInt_ext (fun y => psi (m - y) * density m (m - y))); [intros; now rewrite Dm | exact J1].
Qed.

(** The whole line, as the limit of windows *)
Theorem indistinguishable_line eps m psi P Q :
  0 < m -> (forall x, 0 <= psi x <= 1) ->
  (forall a b, ex_RInt (fun x => psi x * density m x) a b) ->
  (forall a b, ex_RInt (fun x => psi x * density 0 x) a b) ->
  is_lim_seq (fun n => RInt (fun x => psi x * density m x) (- INR n) (INR n)) (Finite P) ->
  is_lim_seq (fun n => RInt (fun x => psi x * density 0 x) (- INR n) (INR n)) (Finite Q) ->
  P <= exp eps * Q + delta eps m /\ Q <= exp eps * P + delta eps m.
Proof.
  intros hm hpsi I1 I2 LP LQ.
  assert (large : eventually (fun n => Rabs (cut eps m) + m <= INR n)).
  { destruct (nfloor_ex (Rabs (cut eps m) + m)) as [k hk]; [assert (X := Rabs_pos (cut eps m)); lra|].
    exists (S k). intros n hn. apply le_INR in hn. rewrite S_INR in hn. lra. }
  assert (affine : forall u l, is_lim_seq u (Finite l) ->
    is_lim_seq (fun n => exp eps * u n + delta eps m) (Finite (exp eps * l + delta eps m))).
  { intros u l H. apply (is_lim_seq_plus' (fun n => exp eps * u n) (fun _ => delta eps m)).
    - apply (is_lim_seq_scal_l u (exp eps) (Finite l) H).
    - apply is_lim_seq_const. }
  split.
  - apply (is_lim_seq_le_loc (fun n => RInt (fun x => psi x * density m x) (- INR n) (INR n))
      (fun n => exp eps * RInt (fun x => psi x * density 0 x) (- INR n) (INR n) + delta eps m)
      (Finite P) (Finite (exp eps * Q + delta eps m))); [|exact LP | now apply affine].
    destruct large as [N H]. exists N. intros n hn. specialize (H n hn).
    assert (C : - Rabs (cut eps m) <= cut eps m <= Rabs (cut eps m)) by (apply Rabs_le_between; lra).
    apply indistinguishable; trivial; lra.
  - apply (is_lim_seq_le_loc (fun n => RInt (fun x => psi x * density 0 x) (- INR n) (INR n))
      (fun n => exp eps * RInt (fun x => psi x * density m x) (- INR n) (INR n) + delta eps m)
      (Finite Q) (Finite (exp eps * P + delta eps m))); [|exact LQ | now apply affine].
    destruct large as [N H]. exists N. intros n hn. specialize (H n hn).
    assert (C : - Rabs (cut eps m) <= cut eps m <= Rabs (cut eps m)) by (apply Rabs_le_between; lra).
    apply indistinguishable_back; trivial; lra.
Qed.

(** No smaller delta serves: the half-line from the cut misses delta by as little as one likes. *)
Theorem attained eps m eta : 0 < m -> 0 < eta -> exists b, cut eps m <= b /\
  delta eps m - eta <= RInt (gain eps m) (cut eps m) b.
Proof.
  intros hm heta. destruct (tail_vanishes eta heta) as [y [yp small]].
  exists (Rmax (cut eps m) (y + m)). set (b := Rmax (cut eps m) (y + m)).
  assert (bc : cut eps m <= b) by apply Rmax_l. assert (by_ : y + m <= b) by apply Rmax_r.
  split; [exact bc|]. rewrite half_line by exact hm.
  assert (T : 1 - eta <= Phi (b - m)).
  { assert (A := proj1 (Phi_tail y ltac:(lra))). assert (B := Phi_rises y (b - m) ltac:(lra)). lra. }
  assert (P : 0 <= exp eps * (1 - Phi b)) by (apply Rmult_le_pos; [left; apply exp_pos | assert (X := Phi_le_1 b); lra]).
  lra.
Qed.

(** The certificate: secret iterate and reference within r and r_fit of one optimum in ||.||_A, noise
    sigma A^{-1/2} z: the whitened means are at most mu apart, and delta(eps, mu) covers them. *)
Section Certificate.
Context {V : ModuleSpace R_Ring}.
Theorem means_apart (A : form V) (w w_hat optimum : V) sigma mu r r_fit : nonneg A -> 0 < sigma ->
  norm A (less w optimum) <= r -> norm A (less w_hat optimum) <= r_fit -> r + r_fit <= sigma * mu ->
  norm A (less w w_hat) / sigma <= mu.
Proof.
  intros AP sp hr hf hm. assert (S : less w w_hat = plus (less w optimum) (opp (less w_hat optimum))).
  { unfold less. rewrite opp_plus, opp_opp, <- plus_assoc. f_equal.
    rewrite plus_comm, <- plus_assoc, plus_opp_r, plus_zero_r. reflexivity. }
  assert (T := norm_triangle A (less w optimum) (opp (less w_hat optimum)) AP).
  rewrite norm_opp, <- S in T. apply (Rmult_le_reg_r sigma); [exact sp|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. lra.
Qed.

Theorem certificate (A : form V) (w w_hat optimum : V) sigma mu r r_fit eps d : nonneg A -> 0 < sigma ->
  norm A (less w optimum) <= r -> norm A (less w_hat optimum) <= r_fit -> r + r_fit <= sigma * mu ->
  delta eps mu <= d -> 0 < norm A (less w w_hat) ->
  delta eps (norm A (less w w_hat) / sigma) <= d.
Proof.
  intros AP sp hr hf hm hd pos. apply (calibration_monotone eps eps mu); trivial; [|now apply (means_apart A w w_hat optimum sigma mu r r_fit)|lra].
  now apply Rdiv_lt_0_compat.
Qed.
End Certificate.
