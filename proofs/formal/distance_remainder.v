(* What one step with a model B of the Hessian leaves, and the values the code returns for it. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Rounded Code gsc_remainder distance_from_decrement.
Local Open Scope R_scope.

Lemma phi_any t q : t <= q -> 0 <= t -> phi t <= phi q.
Proof. intros. now apply phi_rises. Qed.

Section Remainder.
Context {V : ModuleSpace R_Ring} {d : V} {t : R} (F : piece d t).
Variables (B : form V) (n : V) (T nu L : R).
Let H := hess F 0.
Hypothesis B_nonneg : nonneg B.
Hypothesis T_nonneg : 0 <= T.
Hypothesis t_nonneg : 0 <= t.
Hypothesis nu_nonneg : 0 <= nu.
Hypothesis L_nonneg : 0 <= L.
(** e^{-T} B <= H <= e^T B *)
Hypothesis model : near T B H.
(** nu >= ||g||_{B^{-1}}; R max range(x d) <= L ||d||_B *)
Hypothesis decrement : within B (grad F 0) nu.
Hypothesis leverage : t <= L * norm B d.
(** n = - B^{-1} g; w + d is the optimum *)
Hypothesis step : forall u, B n u = - grad F 0 u.
Hypothesis optimum : forall u, grad F 1 u = 0.

Let half := exp (T / 2).
Let rH := distance (nu * half) (L * half).

Lemma half_pos : 0 < half. Proof. apply exp_pos. Qed.

Lemma norm_B u : norm B u <= half * norm H u.
Proof. now apply (near_norm T B H). Qed.

Theorem distance_r : L * half * (nu * half) < 1 ->
  norm H d <= rH /\ t <= - ln (1 - L * half * (nu * half)) /\ norm B d <= half * rH.
Proof.
  intros small. assert (P := half_pos).
  destruct (distance_from_decrement F (nu * half) (L * half)) as [X Y]; trivial;
    try (apply Rmult_le_pos; lra).
  - assert (N := norm_B d). apply Rle_trans with (1 := leverage). rewrite Rmult_assoc.
    now apply Rmult_le_compat_l.
  - now apply (near_within T B).
  - fold H rH in X. split; [exact X|]. split; [exact Y|].
    apply Rle_trans with (1 := norm_B d). apply Rmult_le_compat_l; [lra | exact X].
Qed.

(** ||d + B^{-1} g||_B <= [(e^T - 1) + phi(t')] ||d||_B-bound, for any t' >= t *)
Theorem distance_q t' r : t <= t' -> norm B d <= r -> half * norm H d <= r ->
  norm B (less d n) <= ((exp T - 1) + phi t') * r.
Proof.
  intros tt' db hd. set (e := less d n).
  assert (P := phi_rises t t' t_nonneg tt'). assert (P0 := phi_nonneg t t_nonneg).
  assert (E1 : 1 <= exp T) by (rewrite <- exp_0; now apply exp_rises).
  assert (rp : 0 <= r) by (apply Rle_trans with (2 := db); apply norm_pos).
  apply (norm_solution B (fun u => B e u)); trivial.
  - apply Rmult_le_pos; lra.
  - (* B e u = (B - H)(d, u) - (Taylor remainder) u *)
    intros u.
    replace (B e u) with (- (H d u - B d u) + - (grad F 1 u - grad F 0 u - H d u))
      by (unfold e; rewrite less1, step, optimum; ring).
    apply Rle_trans with (1 := Rabs_triang _ _). rewrite !Rabs_Ropp, Rmult_plus_distr_r, Rmult_plus_distr_r.
    apply Rplus_le_compat.
    + apply Rle_trans with (1 := near_difference T B H d u B_nonneg T_nonneg model).
      rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|].
      apply Rmult_le_compat_r; [apply norm_pos | exact db].
    + apply Rle_trans with (1 := gradient_remainder F t_nonneg u). fold H.
      assert (N : norm H u <= half * norm B u) by (apply (near_norm T H B); [apply hess_pos | now apply near_sym]).
      assert (Q := norm_pos H d). assert (U := norm_pos B u).
      apply Rle_trans with (phi t * (half * norm H d) * norm B u).
      * replace (phi t * (half * norm H d) * norm B u) with (phi t * norm H d * (half * norm B u)) by ring.
        apply Rmult_le_compat_l; [now apply Rmult_le_pos | exact N].
      * apply Rmult_le_compat_r; [exact U|]. assert (HP := half_pos).
        apply Rmult_le_compat; [exact P0 | nra | exact P | exact hd].
Qed.

(** The second way to the margins *)
Theorem range_second G L_G size c_G q : nonneg G -> 0 <= L_G -> 0 <= c_G ->
  t <= L_G * norm G d -> norm G n <= size ->
  (forall v, norm G v <= c_G * norm B v) -> norm B (less d n) <= q ->
  t <= L_G * (size + c_G * q).
Proof.
  intros GP Lp cp reach sz carry hq. apply Rle_trans with (1 := reach). apply Rmult_le_compat_l; [exact Lp|].
  assert (S : d = plus n (less d n)).
  { unfold less. rewrite plus_comm, <- plus_assoc, plus_opp_l, plus_zero_r. reflexivity. }
  rewrite S at 1. apply Rle_trans with (1 := norm_triangle G n (less d n) GP).
  apply Rplus_le_compat; [exact sz|]. apply Rle_trans with (1 := carry _).
  now apply Rmult_le_compat_l.
Qed.

(** The distance before and after the step in any norm with ||v||_A <= c ||v||_B *)
Theorem distances A c q r : nonneg A -> 0 <= c -> (forall v, norm A v <= c * norm B v) ->
  norm B (less d n) <= q -> norm B d <= r ->
  norm A d <= Rmin (norm A n + c * q) (c * r) /\ norm A (less d n) <= c * q.
Proof.
  intros AP cp carry hq hr.
  assert (after : norm A (less d n) <= c * q)
    by (apply Rle_trans with (1 := carry _); now apply Rmult_le_compat_l).
  split; [|exact after]. apply Rmin_glb.
  - assert (S : d = plus n (less d n)).
    { unfold less. rewrite plus_comm, <- plus_assoc, plus_opp_l, plus_zero_r. reflexivity. }
    rewrite S at 1. apply Rle_trans with (1 := norm_triangle A n (less d n) AP). lra.
  - apply Rle_trans with (1 := carry _). now apply Rmult_le_compat_l.
Qed.

(** ** The code *)

Variables (o : outward) (finite : R -> bool) (G : form V) (L_G size c_G : R).
Hypothesis zero : up o 0 4 < 1 / 100000000.
Hypothesis G_nonneg : nonneg G.
Hypothesis second : finite L_G = true ->
  0 <= L_G /\ 0 <= c_G /\ t <= L_G * norm G d /\ norm G n <= size
  /\ (forall v, norm G v <= c_G * norm B v).

Theorem code_remainder_distance q r :
  Code.distance_remainder o finite nu L T (L_G, size, c_G) = Some (q, r) ->
  norm B (less d n) <= q /\ norm B d <= r.
Proof.
  unfold Code.distance_remainder. cbv zeta. destruct (Rlt_dec 100 T); [discriminate|].
  assert (HP := half_pos).
  set (h := exp (T / 2) * (1 + 1 / 10000000000000)).
  assert (hh : half <= h) by (unfold h; fold half; lra).
  assert (U1 : nu * half <= up o (nu * h) 4) by (apply lift_up; now apply Rmult_le_compat_l).
  assert (U2 : L * half <= up o (L * h) 4) by (apply lift_up; now apply Rmult_le_compat_l).
  set (nu' := up o (nu * h) 4) in *. set (L' := up o (L * h) 4) in *. clearbody nu' L'.
  assert (nup : 0 <= nu * half) by nra. assert (Lp : 0 <= L * half) by nra.
  destruct (Code.distance_from_decrement o nu' L') as [[r_H t1]|] eqn:code; [|discriminate].
  cbn [bind]. destruct (code_distance o nu' L' r_H t1 ltac:(lra) ltac:(lra) zero code) as [small [dr dt]].
  (* the exact decrement theorem with nu', L' in place of nu half, L half *)
  destruct (distance_from_decrement.distance_from_decrement F nu' L') as [X Y]; trivial; try lra.
  { apply Rle_trans with (1 := leverage). apply Rle_trans with (L * half * norm H d).
    - rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact L_nonneg | apply norm_B].
    - apply Rmult_le_compat_r; [apply norm_pos | exact U2]. }
  { apply (within_weaken H _ (nu * half)); [exact U1 | now apply (near_within T B)]. }
  fold H in X. assert (dH : norm H d <= r_H) by lra. assert (tt : t <= t1) by lra.
  assert (rp : 0 <= r_H) by (apply Rle_trans with (2 := dH); apply norm_pos).
  destruct (finite r_H); [|discriminate].
  assert (R2 : half * norm H d <= up o (h * r_H) 4).
  { apply lift_up. apply Rmult_le_compat; trivial; [lra | apply norm_pos]. }
  assert (R1 : norm B d <= up o (h * r_H) 4) by (apply Rle_trans with (1 := norm_B d); exact R2).
  set (r0 := up o (h * r_H) 4) in *. clearbody r0.
  assert (r0p : 0 <= r0) by (apply Rle_trans with (2 := R1); apply norm_pos).
  set (stale := (exp T - 1) * (1 + 1 / 10000000000000)).
  assert (st : exp T - 1 <= stale).
  { assert (1 <= exp T) by (rewrite <- exp_0; now apply exp_rises). unfold stale. lra. }
  (* whatever upper bound on t is used, q is a bound *)
  assert (Q : forall t' p, t <= t' -> Code.gsc_remainder o t' = Some p ->
    norm B (less d n) <= up o ((stale + p) * r0) 4).
  { intros t' p h1 h2. apply lift_up. apply Rle_trans with (1 := distance_q t' r0 h1 R1 R2).
    apply Rmult_le_compat_r; [exact r0p|].
    assert (C := code_remainder o t' p ltac:(lra) h2). lra. }
  destruct (Code.gsc_remainder o t1) as [p1|] eqn:g1; [|discriminate]. cbn [bind].
  assert (q1 := Q t1 p1 tt g1). set (q0 := up o ((stale + p1) * r0) 4) in *. clearbody q0.
  destruct (finite L_G) eqn:fL; [destruct (finite q0)|].
  - destruct (second eq_refl) as [a1 [a2 [a3 [a4 a5]]]].
    set (t2 := Rmin t1 (up o (L_G * up o (size + up o (c_G * q0) 4) 4) 4)).
    assert (tt2 : t <= t2).
    { unfold t2. apply Rmin_glb; [exact tt|]. apply lift_up.
      apply Rle_trans with (1 := range_second G L_G size c_G q0 G_nonneg a1 a2 a3 a4 a5 q1).
      apply Rmult_le_compat_l; [exact a1|]. apply lift_up. apply Rplus_le_compat_l. apply above. }
    destruct (Code.gsc_remainder o t2) as [p2|] eqn:g2; [|discriminate]. cbn [bind].
    intros E; injection E as <- <-. split; [|exact R1]. exact (Q t2 p2 tt2 g2).
  - cbn [bind]. intros E; injection E as <- <-. now split.
  - cbn [bind]. intros E; injection E as <- <-. now split.
Qed.

(** The distance after the step; what the code is told of the step's size plays no part. *)
Theorem code_after A c size_A here after :
  nonneg A -> 0 <= c -> (forall v, norm A v <= c * norm B v) ->
  Code.distance_measured o finite size_A c nu L T (L_G, size, c_G) = Some (here, after) ->
  norm A (less d n) <= after.
Proof.
  intros AP cp carry. unfold Code.distance_measured.
  destruct (Code.distance_remainder o finite nu L T (L_G, size, c_G)) as [[q r]|] eqn:code; [|discriminate].
  cbn [bind]. intros E; injection E as _ <-.
  destruct (code_remainder_distance q r code) as [hq hr]. apply lift_up.
  apply Rle_trans with (1 := carry _). now apply Rmult_le_compat_l.
Qed.

Theorem code_distance_measured A c size_A here after :
  nonneg A -> 0 <= c -> (forall v, norm A v <= c * norm B v) -> norm A n <= size_A ->
  Code.distance_measured o finite size_A c nu L T (L_G, size, c_G) = Some (here, after) ->
  norm A d <= here /\ norm A (less d n) <= after.
Proof.
  intros AP cp carry sz. unfold Code.distance_measured.
  destruct (Code.distance_remainder o finite nu L T (L_G, size, c_G)) as [[q r]|] eqn:code; [|discriminate].
  cbn [bind]. intros E; injection E as <- <-.
  destruct (code_remainder_distance q r code) as [hq hr].
  destruct (distances A c q r AP cp carry hq hr) as [x y].
  assert (Z := above o (c * q) 4). split; [|lra].
  apply Rmin_glb; apply lift_up.
  - apply Rle_trans with (1 := x). apply Rle_trans with (1 := Rmin_l _ _). lra.
  - apply Rle_trans with (1 := x). apply Rmin_r.
Qed.
End Remainder.
