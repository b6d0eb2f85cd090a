(* Dividing epsilon and delta between the shift of the mean and the drift of the covariance. *)
From Coq Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Rounded Code.
Import ListNotations.
Local Open Scope R_scope.

(** A chain P - N - Q of laws, on one event: (e0, d0) and then (e1, d1) *)
Theorem chain p n q e0 d0 e1 d1 : p <= exp e0 * n + d0 -> n <= exp e1 * q + d1 ->
  p <= exp (e0 + e1) * q + (exp e0 * d1 + d0).
Proof. intros X Y. rewrite exp_plus. assert (P := exp_pos e0). nra. Qed.

(** The tail that the code leaves to the drift, by its logarithm *)
Definition tail o epsilon delta := exp (- Code.log_tail o epsilon delta).

Lemma tail_le o epsilon delta : 0 < delta -> tail o epsilon delta <= delta / 1000 * exp (- epsilon).
Proof.
  intros dp. unfold tail, Code.log_tail. set (x := epsilon - ln delta + ln 1000).
  apply Rle_trans with (exp (- x)); [apply exp_rises; assert (A := above o x 8); lra|].
  right. unfold x. replace (- (epsilon - ln delta + ln 1000)) with (- epsilon + (ln delta + - ln 1000)) by ring.
  rewrite !exp_plus, exp_Ropp, exp_ln, exp_Ropp, exp_ln by lra. field.
  assert (P := exp_pos epsilon). lra.
Qed.

(** What the code divides: reserve, tail and what is left of delta serve both directions. *)
Theorem calibrated o epsilon delta part p n q : 0 < epsilon -> 0 < delta -> 0 <= part ->
  let reserve := calibrate_reserve true epsilon part in
  let d1 := tail o epsilon delta in
  let left := calibrate_left delta true reserve in
  (p <= exp (epsilon - reserve) * n + left -> n <= exp reserve * q + d1 -> p <= exp epsilon * q + delta)
  /\ (q <= exp reserve * n + d1 -> n <= exp (epsilon - reserve) * p + left -> q <= exp epsilon * p + delta).
Proof.
  intros ep dp pp reserve d1 left. assert (D1 := tail_le o epsilon delta dp). fold d1 in D1.
  assert (d1p : 0 <= d1) by (left; apply exp_pos).
  assert (rp : 0 <= reserve)
    by (unfold reserve, calibrate_reserve; apply Rmin_glb; [apply Rmult_le_pos |]; lra).
  assert (L : left <= 999 / 1000 * delta * exp (- reserve)).
  { unfold left, calibrate_left. assert (P := exp_pos (- reserve)).
    assert (0 <= 999 / 1000 * delta * exp (- reserve)) by (apply Rmult_le_pos; lra). lra. }
  assert (E1 : exp (epsilon - reserve) * d1 <= delta / 1000).
  { apply Rle_trans with (exp (epsilon - reserve) * (delta / 1000 * exp (- epsilon))).
    - apply Rmult_le_compat_l; [left; apply exp_pos | exact D1].
    - replace (exp (epsilon - reserve) * (delta / 1000 * exp (- epsilon)))
        with (delta / 1000 * (exp (epsilon - reserve) * exp (- epsilon))) by ring.
      rewrite <- exp_plus. assert (X : exp (epsilon - reserve + - epsilon) <= 1)
        by (rewrite <- exp_0; apply exp_rises; lra).
      assert (0 <= delta / 1000) by lra. nra. }
  assert (L1 : left <= 999 / 1000 * delta).
  { apply Rle_trans with (1 := L). assert (X : exp (- reserve) <= 1) by (rewrite <- exp_0; apply exp_rises; lra). nra. }
  assert (E2 : exp reserve * left <= 999 / 1000 * delta).
  { assert (P := exp_pos reserve). assert (C := exp_cancel reserve).
    apply Rle_trans with (exp reserve * (999 / 1000 * delta * exp (- reserve))).
    - apply Rmult_le_compat_l; lra.
    - replace (exp reserve * (999 / 1000 * delta * exp (- reserve)))
        with (999 / 1000 * delta * (exp reserve * exp (- reserve))) by ring. rewrite C. lra. }
  assert (T : d1 <= delta / 1000).
  { apply Rle_trans with (1 := D1). assert (X : exp (- epsilon) <= 1) by (rewrite <- exp_0; apply exp_rises; lra). nra. }
  split; intros X Y; assert (C := chain _ _ _ _ _ _ _ X Y).
  - replace (epsilon - reserve + reserve) with epsilon in C by ring. lra.
  - replace (reserve + (epsilon - reserve)) with epsilon in C by ring. lra.
Qed.

(** Without drift there is nothing to divide. *)
Theorem undivided epsilon delta part : calibrate_reserve false epsilon part = 0 /\ calibrate_left delta false 0 = delta.
Proof. now unfold calibrate_reserve, calibrate_left. Qed.

(** ** Transcript: the shares of all releases t = 1, ..., n together, with the horizon H *)

Definition shares H n := total (fun t => Code.share (INR H) (INR t)) (seq 1 n).

Lemma total_app {A} (f : A -> R) l l' : total f (l ++ l') = total f l + total f l'.
Proof. induction l as [|x l IH]; simpl; [ring | rewrite IH; ring]. Qed.

Lemma shares_S H n : shares H (S n) = shares H n + Code.share (INR H) (INR (S n)).
Proof. unfold shares. rewrite seq_S, total_app. cbn [total fold_right]. rewrite Rplus_0_r. reflexivity. Qed.

Theorem shares_within H n : (0 < H)%nat -> (n <= H)%nat -> shares H n = INR n * (9 / 10 / INR H).
Proof.
  intros hH. induction n as [|n IH]; intros hn; [unfold shares; simpl; lra|].
  rewrite shares_S, IH, S_INR by lia. unfold Code.share.
  destruct (Rle_dec (INR n + 1) (INR H)) as [_|N]; [ring|].
  exfalso. apply N. rewrite <- S_INR. now apply le_INR.
Qed.

(** telescoping: 1/(t (t - 1)) = 1/(t - 1) - 1/t *)
Theorem shares_at_most_one H n : (0 < H)%nat -> shares H n <= 1.
Proof.
  intros hH. assert (H1 : 1 <= INR H) by (apply (le_INR 1); lia).
  destruct (Nat.le_gt_cases n H) as [le|gt].
  - rewrite shares_within by assumption. apply le_INR in le.
    apply Rle_trans with (INR H * (9 / 10 / INR H));
      [|replace (INR H * (9 / 10 / INR H)) with (9 / 10) by (field; lra); lra].
    apply Rmult_le_compat_r; [apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra] | exact le].
  - assert (E : shares H n = 1 - 1 / 10 * INR H / INR n); [|].
    { replace n with (H + (n - H))%nat by lia. induction (n - H)%nat as [|k IH].
      - rewrite Nat.add_0_r, shares_within by lia. field. lra.
      - rewrite Nat.add_succ_r, shares_S, IH, S_INR. unfold Code.share.
        assert (N1 : INR H <= INR (H + k)) by (apply le_INR; lia).
        destruct (Rle_dec (INR (H + k) + 1) (INR H)) as [X|_]; [lra|].
        field. repeat split; lra. }
    rewrite E. assert (1 <= INR n) by (apply (le_INR 1); lia).
    assert (0 <= 1 / 10 * INR H / INR n) by (apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra]). lra.
Qed.

(** ** What the drift may cost: V and F of `drift_shares` keep joint_drift within the reserve *)

Theorem drift_within o reserve x : 0 < reserve -> 0 < x ->
  let (v, f) := Code.drift_shares o reserve x in
  0 <= v /\ 0 <= f /\ 2 * v + 2 * sqrt (v * x) + f * x <= reserve.
Proof.
  intros rp xp. unfold Code.drift_shares. cbv zeta.
  set (root := 1 / 2 * reserve / (sqrt x + sqrt (x + reserve))).
  assert (S1 := sqrt_lt_R0 x xp). assert (S2 := sqrt_lt_R0 (x + reserve) ltac:(lra)).
  assert (Q1 : sqrt x * sqrt x = x) by (apply sqrt_sqrt; lra).
  assert (Q2 : sqrt (x + reserve) * sqrt (x + reserve) = x + reserve) by (apply sqrt_sqrt; lra).
  set (a := sqrt x) in *. set (b := sqrt (x + reserve)) in *.
  assert (R0 : 0 < root) by (unfold root; apply Rdiv_lt_0_compat; lra).
  (* root = (b - a)/2 *)
  assert (E : root = (b - a) / 2).
  { unfold root. apply (Rmult_eq_reg_r (a + b)); [|lra].
    replace (1 / 2 * reserve / (a + b) * (a + b)) with (reserve / 2) by (field; lra).
    replace ((b - a) / 2 * (a + b)) with ((b * b - a * a) / 2) by field. rewrite Q1, Q2. field. }
  set (v := Rmax (down o (root * root) 32) 0). set (f := Rmax (down o (1 / 2 * reserve / x) 8) 0).
  assert (v0 : 0 <= v) by apply Rmax_r. assert (f0 : 0 <= f) by apply Rmax_r.
  assert (vr : v <= root * root) by (apply Rmax_lub; [apply below_ | nra]).
  assert (fr : f <= 1 / 2 * reserve / x).
  { apply Rmax_lub; [apply below_ | left; apply Rdiv_lt_0_compat; lra]. }
  assert (F : f * x <= reserve / 2).
  { apply Rle_trans with (1 / 2 * reserve / x * x); [apply Rmult_le_compat_r; lra | right; field; lra]. }
  assert (W : sqrt (v * x) <= root * a).
  { rewrite <- (sqrt_square (root * a)) by nra. apply sqrt_le_1_alt. rewrite <- Q1 at 1. nra. }
  assert (T : 2 * (root * root) + 2 * (root * a) = reserve / 2) by (rewrite E; nra).
  repeat split; trivial. lra.
Qed.

(** The cap of a release of D coordinates undoes f(eta) = eta/(1 - 2 eta): D f(cap)^2/4 <= share V, f(cap) <= F *)
Theorem cap_within o share D largest spread : 0 < D -> 0 <= spread -> 0 <= share -> 0 <= largest ->
  let f := Code.calibrate_f share D largest spread in
  let cap := Code.calibrate_cap o f in
  0 <= cap ->
  cap / (1 - 2 * cap) <= largest /\ D * (cap / (1 - 2 * cap)) ^ 2 / 4 <= spread * share.
Proof.
  intros Dp sp hp lp f cap cp.
  assert (f0 : 0 <= f).
  { unfold f, Code.calibrate_f. apply Rmin_glb; [exact lp|]. assert (Z := sqrt_pos (spread * share / D)). lra. }
  assert (C : cap <= f / (1 + 2 * f)) by apply below_.
  assert (half : f / (1 + 2 * f) < 1 / 2).
  { apply (Rmult_lt_reg_r (1 + 2 * f)); [lra|]. unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l by lra. lra. }
  assert (G : cap / (1 - 2 * cap) <= f).
  { apply (Rmult_le_reg_r (1 - 2 * cap)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    apply (Rmult_le_compat_r (1 + 2 * f)) in C; [|lra].
    unfold Rdiv in C. rewrite (Rmult_assoc f), Rinv_l, Rmult_1_r in C by lra. lra. }
  assert (G0 : 0 <= cap / (1 - 2 * cap)) by (apply Rmult_le_pos; [exact cp | left; apply Rinv_0_lt_compat; lra]).
  split; [apply Rle_trans with (1 := G); apply Rmin_l|].
  set (g := cap / (1 - 2 * cap)) in *.
  assert (B : g <= 2 * sqrt (spread * share / D)) by (apply Rle_trans with (1 := G); apply Rmin_r).
  assert (I : 0 <= spread * share / D) by (apply Rmult_le_pos; [now apply Rmult_le_pos | left; now apply Rinv_0_lt_compat]).
  assert (Q : sqrt (spread * share / D) * sqrt (spread * share / D) = spread * share / D) by now apply sqrt_sqrt.
  assert (S := sqrt_pos (spread * share / D)). set (s := sqrt (spread * share / D)) in *.
  assert (K : g ^ 2 <= 4 * (s * s)) by (simpl; nra).
  rewrite Q in K. apply Rle_trans with (D * (4 * (spread * share / D)) / 4); [nra | right; field; lra].
Qed.

Section Means.
Context {V : ModuleSpace R_Ring}.
(** ||m2 - w*|| in A1 from A2 >= (1 - drift) A1, and the caps: fit (1 + drift) + target <= sigma mu *)
Theorem means (A1 A2 : form V) (m1 m2 optimum : V) drift fit target sigma mu :
  nonneg A1 -> nonneg A2 -> 0 <= drift <= 1 / 4 ->
  (forall u, (1 - drift) * A1 u u <= A2 u u) ->
  norm A1 (less m1 optimum) <= target -> norm A2 (less m2 optimum) <= fit ->
  fit * (1 + drift) + target <= sigma * mu ->
  norm A1 (less m1 m2) <= sigma * mu.
Proof.
  intros P1 P2 hd low ht hf caps. set (v := less m2 optimum) in *.
  assert (N : norm A1 v <= (1 + drift) * norm A2 v).
  { rewrite <- (sqrt_square (1 + drift)) by lra. apply below_norm; [exact P1 | nra |].
    intros u. specialize (low u). specialize (P1 u).
    assert (1 <= (1 + drift) * (1 + drift) * (1 - drift)) by nra.
    apply Rle_trans with ((1 + drift) * (1 + drift) * ((1 - drift) * A1 u u)); [|apply Rmult_le_compat_l; nra].
    replace ((1 + drift) * (1 + drift) * ((1 - drift) * A1 u u))
      with ((1 + drift) * (1 + drift) * (1 - drift) * A1 u u) by ring. nra. }
  assert (S : less m1 m2 = plus (less m1 optimum) (opp v)).
  { unfold v, less. rewrite opp_plus, opp_opp, <- plus_assoc. f_equal.
    rewrite plus_comm, <- plus_assoc, plus_opp_r, plus_zero_r. reflexivity. }
  rewrite S. apply Rle_trans with (1 := norm_triangle A1 _ _ P1). rewrite norm_opp.
  assert ((1 + drift) * norm A2 v <= (1 + drift) * fit) by (apply Rmult_le_compat_l; lra). lra.
Qed.
End Means.
