(* Distance to the optimum from the Newton decrement, and the value the code returns for it. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Rounded Code gsc_remainder.
Local Open Scope R_scope.

(** -log(1 - L nu) / L, nu for L = 0 *)
Definition distance nu L := if Req_EM_T L 0 then nu else - ln (1 - L * nu) / L.

Section Segment.
Context {V : ModuleSpace R_Ring} {d : V} {t : R} (F : piece d t).

(** The slope along d rises by at least (1 - e^{-T})/T D^2, for every T >= t. *)
Lemma rise T : 0 < T -> t <= T ->
  hess F 0 d d * ((1 - exp (- T)) / T) <= grad F 1 d - grad F 0 d.
Proof.
  intros Tp tT. set (k := hess F 0 d d).
  assert (M : (fun a => grad F a d - k * ((1 - exp (- (T * a))) / T)) 0
           <= (fun a => grad F a d - k * ((1 - exp (- (T * a))) / T)) 1).
  { apply (rises (fun a => grad F a d - k * ((1 - exp (- (T * a))) / T))
             (fun a => hess F a d d - k * exp (- (T * a)))); [lra | |].
    - intros a _. apply (is_derive_minus (fun a => grad F a d)); [apply grad_derive|].
      auto_derive; [easy | field; lra].
    - intros a ha. assert (P := hess_pos F 0 d). fold k in P.
      assert (B : exp (- (T * a)) * k <= hess F a d d).
      { apply Rle_trans with (exp (- (t * a)) * k).
        - apply Rmult_le_compat_r; [exact P|]. apply exp_rises. nra.
        - apply curvature_below. lra. }
      lra. }
  cbv beta in M. rewrite Rmult_0_r, Ropp_0, exp_0, Rmult_1_r in M.
  replace ((1 - 1) / T) with 0 in M by (field; lra). lra.
Qed.

(** The core, also under an L1 penalty: xi0 and xi1 are subgradients at the ends, 0 without one. *)
Theorem decrement_core (xi0 xi1 : V -> R) nu L :
  0 <= t -> 0 <= nu -> 0 <= L -> L * nu < 1 ->
  t <= L * norm (hess F 0) d ->
  within (hess F 0) (fun u => grad F 0 u + xi0 u) nu ->
  0 <= xi1 d - xi0 d ->                       (* monotone *)
  grad F 1 d + xi1 d = 0 ->                   (* the optimum *)
  norm (hess F 0) d <= distance nu L /\ t <= - ln (1 - L * nu).
Proof.
  intros tp np Lp small tL W mono opt. set (D := norm (hess F 0) d) in *.
  assert (Dp : 0 <= D) by apply norm_pos.
  assert (DD : hess F 0 d d = D * D) by (symmetry; apply norm_square, hess_pos).
  assert (G : - (nu * D) <= grad F 0 d + xi0 d).
  { assert (X := W d). fold D in X. apply Rabs_le_between in X. lra. }
  assert (lnpos : 0 <= - ln (1 - L * nu)).
  { assert (0 <= L * nu) by (now apply Rmult_le_pos).
    assert (X := ln_rises (1 - L * nu) 1 ltac:(lra) ltac:(lra)). rewrite ln_1 in X. lra. }
  destruct Dp as [Dp|Dz].
  2: { rewrite <- Dz in *. rewrite Rmult_0_r in tL. split; [|lra]. unfold distance.
       destruct (Req_EM_T L 0) as [|N]; [exact np|].
       apply Rmult_le_pos; [exact lnpos | left; apply Rinv_0_lt_compat; lra]. }
  unfold distance. destruct (Req_EM_T L 0) as [->|N].
  - (* no third derivative: for every T > 0, D (1 - e^{-T})/T <= nu *)
    rewrite Rmult_0_l in tL. rewrite Rmult_0_l, Rminus_0_r, ln_1.
    split; [|lra]. destruct (Rle_dec D nu) as [H|H]; [exact H|]. exfalso.
    (* choose T = (D - nu)/D, for which (1 - e^{-T})/T >= 1 - T/2 > nu/D *)
    set (T := (D - nu) / D). assert (Tp : 0 < T) by (apply Rdiv_lt_0_compat; lra).
    assert (T1 : T <= 1).
    { unfold T. apply (Rmult_le_reg_r D); [exact Dp|].
      replace ((D - nu) / D * D) with (D - nu) by (field; lra). lra. }
    assert (R := rise T Tp ltac:(lra)). rewrite DD in R.
    assert (B : D * ((1 - exp (- T)) / T) <= nu).
    { apply (Rmult_le_reg_l D); [exact Dp|]. lra. }
    assert (E : T - T * T / 2 <= 1 - exp (- T)).
    { assert (S := stays (fun x => 1 - exp (- x) - (x - x * x / 2)) (fun x => exp (- x) - (1 - x)) T).
      cbv beta in S. rewrite Ropp_0, exp_0 in S.
      assert (Z := S ltac:(lra) ltac:(intros; auto_derive; [easy | field])
        ltac:(intros x hx; assert (Q := exp_ineq1_le (- x)); lra) T ltac:(lra)). lra. }
    assert (C : 1 - T / 2 <= (1 - exp (- T)) / T).
    { apply (Rmult_le_reg_r T); [exact Tp|].
      replace ((1 - exp (- T)) / T * T) with (1 - exp (- T)) by (field; lra). lra. }
    assert (Q : D * (1 - T / 2) <= nu) by (apply Rle_trans with (2 := B); apply Rmult_le_compat_l; lra).
    assert (DT : D * T = D - nu) by (unfold T; field; lra). lra.
  - assert (Lpos : 0 < L) by lra. assert (LD : 0 < L * D) by (now apply Rmult_lt_0_compat).
    assert (R := rise (L * D) LD tL). rewrite DD in R.
    assert (core : 1 - exp (- (L * D)) <= L * nu).
    { apply (Rmult_le_reg_l (D / L)); [now apply Rdiv_lt_0_compat|].
      replace (D / L * (1 - exp (- (L * D)))) with (D * D * ((1 - exp (- (L * D))) / (L * D))) by (field; lra).
      replace (D / L * (L * nu)) with (nu * D) by (field; lra). lra. }
    assert (log : L * D <= - ln (1 - L * nu)).
    { assert (Z := ln_rises (1 - L * nu) (exp (- (L * D))) ltac:(lra) ltac:(lra)).
      rewrite ln_exp in Z. lra. }
    split; [|lra]. apply (Rmult_le_reg_l L); [exact Lpos|].
    replace (L * (- ln (1 - L * nu) / L)) with (- ln (1 - L * nu)) by (field; lra). exact log.
Qed.

(** Theorem 1. w + d is the optimum, H the Hessian at w:
    ||d||_H <= -log(1 - L nu)/L and R max range(x d) = t <= -log(1 - L nu). *)
Theorem distance_from_decrement nu L :
  0 <= t -> 0 <= nu -> 0 <= L -> L * nu < 1 ->
  t <= L * norm (hess F 0) d ->
  within (hess F 0) (grad F 0) nu ->
  grad F 1 d = 0 ->
  norm (hess F 0) d <= distance nu L /\ t <= - ln (1 - L * nu).
Proof.
  intros tp np Lp small tL W opt. apply (decrement_core (fun _ => 0) (fun _ => 0)); trivial; try lra.
  intros u. rewrite Rplus_0_r. apply W.
Qed.
End Segment.

(** ** Both bounds grow with nu and L *)

Lemma distance_nonneg nu L : 0 <= nu -> 0 <= L -> L * nu < 1 -> 0 <= distance nu L.
Proof.
  intros np Lp small. unfold distance. destruct (Req_EM_T L 0) as [|N]; [exact np|].
  apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat; lra].
  assert (0 <= L * nu) by (now apply Rmult_le_pos).
  assert (X := ln_rises (1 - L * nu) 1 ltac:(lra) ltac:(lra)). rewrite ln_1 in X. lra.
Qed.

(** ** The value the code returns *)

Lemma log_series x : 0 <= x <= 1 / 2 -> - ln (1 - x) <= x * (1 + x * (1 / 2 + x)).
Proof.
  intros hx.
  assert (S := stays (fun x => x * (1 + x * (1 / 2 + x)) + ln (1 - x))
    (fun x => (2 * (x * x) - 3 * (x * x * x)) / (1 - x)) (1 / 2)).
  cbv beta in S. rewrite Rminus_0_r, ln_1 in S.
  assert (Z := S ltac:(lra) ltac:(intros; auto_derive; [lra | field; lra])
    ltac:(intros y hy; apply Rmult_le_pos; [nra | left; apply Rinv_0_lt_compat; lra]) x hx). lra.
Qed.

Lemma guard_up x : 0 <= x -> x <= x * (1 + 1 / 10000000000000).
Proof. intros. lra. Qed.

(** The distance and the range that the code returns are at least those of the theorem, whatever
    upward rounding does to numbers other than 0 (up(0) is four smallest doubles). Where the code returns
    infinity nothing is claimed. *)
Theorem code_distance o nu L r t :
  0 <= nu -> 0 <= L -> up o 0 4 < 1 / 100000000 ->
  Code.distance_from_decrement o nu L = Some (r, t) ->
  L * nu < 1 /\ distance nu L <= r /\ - ln (1 - L * nu) <= t.
Proof.
  intros np Lp zero. unfold Code.distance_from_decrement. cbv zeta.
  assert (U := above o (nu * L) 4). assert (L0 : L = 0 -> up o (nu * L) 4 < 1 / 100000000) by (intros ->; now rewrite Rmult_0_r).
  set (x := up o (nu * L) 4) in *. clearbody x.
  destruct (Rlt_dec x 1) as [small|]; [|discriminate].
  assert (Y : 0 <= L * nu) by (now apply Rmult_le_pos).
  assert (S : L * nu < 1) by lra. assert (X : 0 <= x) by lra.
  (* -log(1 - L nu) <= -log(1 - x) <= t *)
  assert (M : - ln (1 - L * nu) <= - ln (1 + - x)).
  { assert (Z := ln_rises (1 + - x) (1 - L * nu) ltac:(lra) ltac:(lra)). lra. }
  assert (P : 0 <= - ln (1 - L * nu)).
  { assert (Z := ln_rises (1 - L * nu) 1 ltac:(lra) ltac:(lra)). rewrite ln_1 in Z. lra. }
  set (T0 := - ln (1 + - x) * (1 + 1 / 10000000000000) / (1 - x * (1 / 1000000000000000))) in *.
  assert (T0up : - ln (1 + - x) <= T0).
  { unfold T0. assert (D : 0 < 1 - x * (1 / 1000000000000000) <= 1) by lra.
    apply (Rmult_le_reg_r (1 - x * (1 / 1000000000000000))); [lra|].
    unfold Rdiv at 2. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    assert (Q : 0 <= - ln (1 + - x)) by lra.
    apply Rle_trans with (- ln (1 + - x) * 1); [now apply Rmult_le_compat_l | lra]. }
  assert (D : distance nu L <= nu * (1 + L * nu * (1 / 2 + L * nu)) \/ 1 / 2 < L * nu).
  { destruct (Rle_dec (L * nu) (1 / 2)) as [H|H]; [left | right; lra]. unfold distance.
    destruct (Req_EM_T L 0) as [->|N]; [rewrite Rmult_0_l; lra|].
    assert (Z := log_series (L * nu) ltac:(lra)). apply (Rmult_le_reg_l L); [lra|].
    replace (L * (- ln (1 - L * nu) / L)) with (- ln (1 - L * nu)) by (field; exact N). lra. }
  assert (E : L <> 0 -> forall T, - ln (1 - L * nu) <= T -> distance nu L <= T / L).
  { intros N T H. unfold distance. destruct (Req_EM_T L 0) as [|_]; [contradiction|].
    apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; lra | exact H]. }
  assert (fin : forall T, - ln (1 + - x) <= T ->
    (if Rlt_dec x (1 / 100000000)
     then Some (up o (nu * (1 + x * (1 / 2 + x))) 8, up o (x * (1 + x * (1 / 2 + x))) 8)
     else Some (up o (T / L) 4, up o T 4)) = Some (r, t) ->
    L * nu < 1 /\ distance nu L <= r /\ - ln (1 - L * nu) <= t).
  { intros T hT. destruct (Rlt_dec x (1 / 100000000)) as [tiny|big]; intros H; injection H as <- <-.
    - split; [exact S|]. split; apply lift_up.
      + destruct D as [D|D]; [|lra]. apply Rle_trans with (1 := D).
        apply Rmult_le_compat_l; [exact np|]. nra.
      + apply Rle_trans with (1 := M). replace (1 + - x) with (1 - x) by ring.
        apply log_series. lra.
    - split; [exact S|]. split; apply lift_up; [|lra].
      destruct (Req_dec L 0) as [Z|N]; [specialize (L0 Z); lra | apply E; [exact N | lra]]. }
  destruct (Rlt_dec (1 / 2) x) as [large|_]; cbn [bind]; apply fin; [|exact T0up].
  apply Rle_trans with (1 := T0up). rewrite <- (Rplus_0_r T0) at 1. apply Rplus_le_compat_l.
  apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra].
Qed.
