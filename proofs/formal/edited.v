(* Removal without a retained row: bounds kept in the norm of B_0, the factor of the last pass. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Rounded Code gsc_remainder Objective distance_from_decrement
  distance_remainder.
Local Open Scope R_scope.

Section Edited.
Context {V : ModuleSpace R_Ring}.
Implicit Types (A B C G M P : form V) (u v d n : V).

(** Gradient: what the edited objective has at the base is what was measured, less the share of the
    rows that went, plus that of the rows that came. *)
Theorem edited_gradient d t (kept gone come : piece d t) (tp : 0 <= t) a u :
  grad (both d t kept come) a u = grad (both d t kept gone) a u - grad gone a u + grad come a u.
Proof. simpl. ring. Qed.

(** M = M_0 + added - gone, e^{-theta} B_0 <= M_0, gone <= removed B_0: M >= left B_0 *)
Theorem left_over M M_0 (added gone : form V) B_0 theta removed :
  (forall u, M u u = M_0 u u + added u u - gone u u) -> nonneg added ->
  (forall u, exp (- theta) * B_0 u u <= M_0 u u) -> below gone removed B_0 ->
  0 < exp (- theta) - removed -> below B_0 (/ (exp (- theta) - removed)) M.
Proof.
  intros S add_pos low lost left u. specialize (S u). specialize (add_pos u). specialize (low u).
  specialize (lost u). set (k := exp (- theta) - removed) in *.
  apply (Rmult_le_reg_l k); [exact left|]. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
  unfold k. lra.
Qed.

(** What several edits take out adds up, penalties that fall included. *)
Theorem removed_adds C C' B_0 r r' : below C r B_0 -> below C' r' B_0 -> below (form_sum C C') (r + r') B_0.
Proof. intros X Y u. simpl. specialize (X u). specialize (Y u). lra. Qed.

(** Dual norms and leverages in M are at most inner = left^{-1/2} times those in B_0. *)
Theorem inner_dual M B_0 left (f : V -> R) r : nonneg B_0 -> 0 < left -> 0 <= r ->
  below B_0 (/ left) M -> within B_0 f r -> within M f (r * / sqrt left).
Proof.
  intros BP lp rp H W. rewrite inv_sqrt_depr by exact lp. apply (within_below B_0); trivial.
  left. now apply Rinv_0_lt_compat.
Qed.

(** The step that was made, v: c (q + inner rho) is a distance, rho >= ||M v + g||_{B_0^{-1}}. *)
Theorem edited_distance A M B_0 left c d n v q rho (g : V -> R) :
  nonneg A -> nonneg M -> nonneg B_0 -> 0 < left -> 0 <= c -> 0 <= rho ->
  below B_0 (/ left) M -> (forall u, norm A u <= c * norm M u) ->
  (forall u, M n u = - g u) -> within B_0 (fun u => M v u + g u) rho ->
  norm M (less d n) <= q ->
  norm A (less d v) <= c * (q + rho * / sqrt left).
Proof.
  intros AP MP BP lp cp rp H carry step W hq.
  assert (U : norm M (less n v) <= rho * / sqrt left).
  { apply (norm_solution M (fun u => M (less n v) u)); trivial.
    - apply Rmult_le_pos; [exact rp | left; apply Rinv_0_lt_compat; now apply sqrt_lt_R0].
    - assert (Z : within M (fun u => M v u + g u) (rho * / sqrt left)) by now apply (inner_dual M B_0).
      intros u. rewrite less1, step. specialize (Z u). cbv beta in Z.
      replace (- g u - M v u) with (- (M v u + g u)) by ring. now rewrite Rabs_Ropp. }
  assert (S : less d v = plus (less d n) (less n v)).
  { unfold less. rewrite <- plus_assoc. f_equal. rewrite plus_assoc, plus_opp_l, plus_zero_l. reflexivity. }
  rewrite S. apply Rle_trans with (1 := carry _). apply Rmult_le_compat_l; [exact cp|].
  apply Rle_trans with (1 := norm_triangle M _ _ MP). lra.
Qed.

(** All of it together: base + d is the optimum of the present objective F, T = moved + margin_error,
    the model is M itself, nu and L come from B_0. *)
Theorem edited d t (F : piece d t) A M B_0 T left c n v nu L rho :
  nonneg A -> nonneg M -> nonneg B_0 -> 0 < left -> 0 <= c -> 0 <= rho -> 0 <= T -> 0 <= t ->
  0 <= nu -> 0 <= L -> below B_0 (/ left) M -> near T M (hess F 0) ->
  within B_0 (grad F 0) nu -> t <= L * norm B_0 d ->
  (forall u, norm A u <= c * norm M u) ->
  (forall u, M n u = - grad F 0 u) -> (forall u, grad F 1 u = 0) ->
  within B_0 (fun u => M v u + grad F 0 u) rho ->
  let inner := / sqrt left in
  let half := exp (T / 2) in
  L * inner * half * (nu * inner * half) < 1 ->
  let r := half * distance (nu * inner * half) (L * inner * half) in
  let range := - ln (1 - L * inner * half * (nu * inner * half)) in
  norm A (less d v) <= c * (((exp T - 1) + phi range) * r + rho * inner).
Proof.
  intros AP MP BP lp cp rp Tp tp np Lp H model W tL carry step opt res inner half small r range.
  assert (ip : 0 < inner) by (apply Rinv_0_lt_compat; now apply sqrt_lt_R0).
  assert (hp : 0 < half) by apply exp_pos.
  assert (W' : within M (grad F 0) (nu * inner)) by now apply (inner_dual M B_0).
  assert (N : norm B_0 d <= inner * norm M d).
  { unfold inner. rewrite inv_sqrt_depr by exact lp. apply below_norm; trivial.
    left. now apply Rinv_0_lt_compat. }
  assert (tL' : t <= L * inner * norm M d).
  { apply Rle_trans with (1 := tL). rewrite Rmult_assoc. now apply Rmult_le_compat_l. }
  assert (np' : 0 <= nu * inner) by (apply Rmult_le_pos; lra).
  assert (Lp' : 0 <= L * inner) by (apply Rmult_le_pos; lra).
  destruct (distance_r F M T (nu * inner) (L * inner) MP tp np' Lp' model W' tL' opt small) as [x [y z]].
  apply (edited_distance A M B_0 left c d n v _ rho (grad F 0)); trivial.
  apply (distance_q F M n T MP Tp tp model step opt range r y z).
  apply Rmult_le_compat_l; [left; exact hp | exact x].
Qed.

(** Second way to the margins: ||M^{-1} g||_G <= ||v||_G + c_gram inner rho *)
Theorem edited_size G M B_0 left c_gram n v rho (g : V -> R) :
  nonneg G -> nonneg M -> nonneg B_0 -> 0 < left -> 0 <= c_gram -> 0 <= rho ->
  below B_0 (/ left) M -> (forall u, norm G u <= c_gram * norm M u) ->
  (forall u, M n u = - g u) -> within B_0 (fun u => M v u + g u) rho ->
  norm G n <= norm G v + c_gram * (rho * / sqrt left).
Proof.
  intros GP MP BP lp cp rp H carry step W.
  assert (Z := edited_distance G M B_0 left c_gram n n v 0 rho g GP MP BP lp cp rp H carry step W).
  assert (E : norm M (less n n) <= 0) by (unfold less; rewrite plus_opp_r, norm_zero; lra).
  specialize (Z E). rewrite Rplus_0_l in Z.
  replace n with (plus v (less n v)) at 1.
  - apply Rle_trans with (1 := norm_triangle G _ _ GP). lra.
  - unfold less. rewrite plus_comm, <- plus_assoc, plus_opp_l, plus_zero_r. reflexivity.
Qed.

(** c for the present Gram matrix: (1 - w) P <= G <= G_0 + added, G_0 <= (1 + w_0) P_0 for the
    computed factors P, P_0. *)
Theorem present_gram P P_0 G G_0 (added : form V) B_0 w w_0 c_gram gram_added : 0 <= w < 1 -> 0 <= w_0 ->
  (forall u, (1 - w) * P u u <= G u u) -> (forall u, G u u <= G_0 u u + added u u) ->
  below G_0 (1 + w_0) P_0 -> below added gram_added B_0 -> below P_0 (c_gram * c_gram) B_0 ->
  below P (((1 + w_0) * (c_gram * c_gram) + gram_added) / (1 - w)) B_0.
Proof.
  intros hw hw0 X Y Z A C u. specialize (X u). specialize (Y u). specialize (Z u).
  specialize (A u). specialize (C u). apply (Rmult_le_reg_l (1 - w)); [lra|].
  replace ((1 - w) * (((1 + w_0) * (c_gram * c_gram) + gram_added) / (1 - w) * B_0 u u))
    with ((1 + w_0) * (c_gram * c_gram * B_0 u u) + gram_added * B_0 u u) by (field; lra).
  assert (K : (1 + w_0) * P_0 u u <= (1 + w_0) * (c_gram * c_gram * B_0 u u)) by (apply Rmult_le_compat_l; lra).
  lra.
Qed.

(** Leverages in the present Gram factor P: at most ((1 + w)/(1 - w_0 - gone))^{1/2} times those in P_0. *)
Theorem in_gram P P_0 G G_0 (gone : form V) w w_0 gram_removed (f : V -> R) r :
  nonneg P_0 -> 0 <= w -> 0 < 1 - w_0 - gram_removed -> 0 <= r ->
  below G (1 + w) P -> (forall u, G_0 u u - gone u u <= G u u) ->
  (forall u, (1 - w_0) * P_0 u u <= G_0 u u) -> below gone gram_removed P_0 ->
  within P_0 f r -> within P f (r * sqrt ((1 + w) / (1 - w_0 - gram_removed))).
Proof.
  intros PP hw left rp X Y Z Q W. apply (within_below P_0); trivial.
  - apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat].
  - intros u. specialize (X u). specialize (Y u). specialize (Z u). specialize (Q u).
    apply (Rmult_le_reg_l (1 - w_0 - gram_removed)); [exact left|].
    replace ((1 - w_0 - gram_removed) * ((1 + w) / (1 - w_0 - gram_removed) * P u u))
      with ((1 + w) * P u u) by (field; lra).
    lra.
Qed.
(** ** The code *)

Lemma code_inner left : 0 < left -> / sqrt left <= Carryover_step_inner left.
Proof.
  intros lp. unfold Carryover_step_inner. assert (P : 0 < / sqrt left) by (apply Rinv_0_lt_compat; now apply sqrt_lt_R0).
  unfold Rdiv. nra.
Qed.

Lemma code_left theta removed : Carryover_step_left theta removed <= exp (- theta) - removed.
Proof. unfold Carryover_step_left. assert (P := exp_pos (- theta)). lra. Qed.

(** `Carryover.step`: base + d is the optimum, v the step made, g the gradient at the base, and what is
    known: theta and removed; nu_0, L_0, rho_0 and c_0, g_0 in the norm of B_0; t_0 for the margins. *)
Theorem code_edited o finite d t (F : piece d t) A G M M_0 (added gone : form V) B_0 n v
    theta removed moved margin_error nu_0 L_0 rho_0 c_0 g_0 gram_norm L_G here after :
  let left := Carryover_step_left theta removed in
  let inner := Carryover_step_inner left in
  let T := Carryover_step_T moved margin_error in
  let c := c_0 * inner in
  let c_gram := g_0 * inner in
  let unsolved := rho_0 * inner in
  let size := Carryover_step_size o c_gram gram_norm unsolved in
  nonneg A -> nonneg G -> nonneg B_0 -> nonneg M ->
  0 <= t -> 0 <= moved + margin_error -> 0 <= nu_0 -> 0 <= L_0 -> 0 <= rho_0 -> 0 <= c_0 -> 0 <= g_0 ->
  up o 0 4 < 1 / 100000000 ->
  (* B_0, M_0, and what came and went; M is the Hessian of the present rows at the reference *)
  (forall u, M u u = M_0 u u + added u u - gone u u) -> nonneg added ->
  (forall u, exp (- theta) * B_0 u u <= M_0 u u) -> below gone removed B_0 -> 0 < left ->
  near (moved + margin_error) M (hess F 0) ->
  (* figures in the norm of B_0 *)
  within B_0 (grad F 0) nu_0 -> t <= L_0 * norm B_0 d -> within B_0 (fun u => M v u + grad F 0 u) rho_0 ->
  (forall u, norm A u <= c_0 * norm B_0 u) -> (forall u, norm G u <= g_0 * norm B_0 u) ->
  norm G v <= gram_norm -> (finite L_G = true -> 0 <= L_G /\ t <= L_G * norm G d) ->
  (* the exact step and the optimum *)
  (forall u, M n u = - grad F 0 u) -> (forall u, grad F 1 u = 0) ->
  Code.distance_measured o finite 0 c (nu_0 * inner) (L_0 * inner) T (L_G, size, c_gram) = Some (here, after) ->
  norm A (less d v) <= Carryover_step_return o after c unsolved.
Proof.
  intros left inner T c c_gram unsolved size AP GP BP MP tp mp np Lp rp cp gp zero split add_pos low lost lp
    model W tL res carryA carryG hv second step opt code.
  assert (is : / sqrt left <= inner) by now apply code_inner.
  assert (sp : 0 < / sqrt left) by (apply Rinv_0_lt_compat; now apply sqrt_lt_R0).
  assert (ip : 0 < inner) by lra.
  assert (lle := code_left theta removed). fold left in lle.
  assert (H : below B_0 (/ left) M).
  { intros u. apply Rle_trans with (/ (exp (- theta) - removed) * M u u).
    - apply (left_over M M_0 added gone B_0 theta removed split add_pos low lost). lra.
    - apply Rmult_le_compat_r; [apply MP | apply Rinv_le_contravar; lra]. }
  assert (N : forall u, norm B_0 u <= inner * norm M u).
  { intros u. apply Rle_trans with (/ sqrt left * norm M u).
    - rewrite inv_sqrt_depr by exact lp. apply below_norm; trivial. left. now apply Rinv_0_lt_compat.
    - apply Rmult_le_compat_r; [apply norm_pos | exact is]. }
  assert (dual : forall (f : V -> R) x, 0 <= x -> within B_0 f x -> within M f (x * inner)).
  { intros f x xp Wf u. apply Rle_trans with (1 := Wf u). rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact xp | apply N]. }
  assert (carried : forall P k, 0 <= k -> (forall u, norm P u <= k * norm B_0 u) ->
    forall u, norm P u <= k * inner * norm M u).
  { intros P k kp Hk u. apply Rle_trans with (1 := Hk u). rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact kp | apply N]. }
  assert (U : norm M (less n v) <= unsolved).
  { apply (norm_solution M (fun u => M (less n v) u)); trivial.
    - unfold unsolved. apply Rmult_le_pos; lra.
    - assert (Z := dual _ rho_0 rp res). intros u. rewrite less1, step. specialize (Z u). cbv beta in Z.
      replace (- grad F 0 u - M v u) with (- (M v u + grad F 0 u)) by ring. rewrite Rabs_Ropp. exact Z. }
  assert (up0 : 0 <= unsolved) by (unfold unsolved; apply Rmult_le_pos; lra).
  assert (c0 : 0 <= c) by (unfold c; apply Rmult_le_pos; lra).
  assert (g0 : 0 <= c_gram) by (unfold c_gram; apply Rmult_le_pos; lra).
  assert (T0 : moved + margin_error <= T) by (unfold T, Carryover_step_T; lra).
  assert (model' : near T M (hess F 0)).
  { destruct model as [X Y]. split; intros u.
    - apply Rle_trans with (1 := X u). apply Rmult_le_compat_r; [apply MP | now apply exp_rises].
    - apply Rle_trans with (2 := Y u). apply Rmult_le_compat_r; [apply MP | apply exp_rises; lra]. }
  assert (tL' : t <= L_0 * inner * norm M d).
  { apply Rle_trans with (1 := tL). rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact Lp | apply N]. }
  assert (sz : norm G n <= size).
  { unfold size, Carryover_step_size. apply lift_up.
    replace n with (plus v (less n v)) at 1
      by (unfold less; rewrite plus_comm, <- plus_assoc, plus_opp_l, plus_zero_r; reflexivity).
    apply Rle_trans with (1 := norm_triangle G _ _ GP). apply Rplus_le_compat; [exact hv|].
    apply lift_up. apply Rle_trans with (1 := carried G g_0 gp carryG _).
    apply Rmult_le_compat_l; [exact g0 | exact U]. }
  assert (after_ok : norm A (less d n) <= after).
  { apply (code_after F M n T (nu_0 * inner) (L_0 * inner)) with (o := o) (finite := finite) (G := G)
      (L_G := L_G) (size := size) (c_G := c_gram) (c := c) (size_A := 0) (here := here); trivial.
    - lra.
    - apply Rmult_le_pos; lra.
    - apply Rmult_le_pos; lra.
    - now apply dual.
    - intros fin. destruct (second fin) as [x y]. repeat split; trivial. now apply carried.
    - now apply carried. }
  unfold Carryover_step_return. apply lift_up.
  assert (S : less d v = plus (less d n) (less n v)).
  { unfold less. rewrite <- plus_assoc. f_equal. rewrite plus_assoc, plus_opp_l, plus_zero_l. reflexivity. }
  rewrite S. apply Rle_trans with (1 := norm_triangle A _ _ AP). apply Rplus_le_compat; [exact after_ok|].
  apply lift_up. apply Rle_trans with (1 := carried A c_0 cp carryA _).
  apply Rmult_le_compat_l; [exact c0 | exact U].
Qed.

(** `_gram_transfer`, with w_0 = error spread^2 of the factor of G_0 and `wrong` that of the present one *)
Theorem code_gram_transfer o (P P_0 G G_0 : form V) (added : form V) B_0 error spread wrong c_gram gram_added :
  nonneg B_0 -> nonneg P -> 0 <= wrong < 1 -> 0 <= error -> 0 <= gram_added -> 0 <= c_gram ->
  (forall u, (1 - wrong) * P u u <= G u u) -> (forall u, G u u <= G_0 u u + added u u) ->
  below G_0 (1 + error * spread ^ 2) P_0 -> below added gram_added B_0 ->
  below P_0 (c_gram * c_gram) B_0 ->
  forall u, norm P u <= Carryover_gram_transfer_return o c_gram (Carryover_gram_transfer_drift error spread wrong) gram_added * norm B_0 u.
Proof.
  intros BP PP hw ep gp cp X Y Z A C u. set (w_0 := error * spread ^ 2) in *.
  assert (w0 : 0 <= w_0) by (unfold w_0; apply Rmult_le_pos; [exact ep | apply pow2_ge_0]).
  assert (I : 0 < / (1 - wrong)) by (apply Rinv_0_lt_compat; lra).
  set (k := ((1 + w_0) * (c_gram * c_gram) + gram_added) / (1 - wrong)).
  assert (k0 : 0 <= k) by (unfold k; apply Rmult_le_pos; [nra | lra]).
  assert (S : norm P u <= sqrt k * norm B_0 u).
  { apply below_norm; trivial. now apply (present_gram P P_0 G G_0 added). }
  apply Rle_trans with (1 := S). apply Rmult_le_compat_r; [apply norm_pos|].
  unfold Carryover_gram_transfer_return, Carryover_gram_transfer_drift. apply lift_up. fold w_0.
  set (m := (c_gram ^ 2 + gram_added) * ((1 + w_0) / (1 - wrong))).
  assert (km : k <= m).
  { replace m with ((c_gram ^ 2 + gram_added) * (1 + w_0) / (1 - wrong)) by (unfold m; field; lra).
    unfold k, Rdiv. apply Rmult_le_compat_r; [lra|].
    assert (0 <= w_0 * gram_added) by now apply Rmult_le_pos. lra. }
  assert (Q := sqrt_le_1_alt k m km). assert (Q0 := sqrt_pos m). lra.
Qed.

(** `in_gram` *)
Theorem code_in_gram o P P_0 G G_0 (gone : form V) error spread wrong gram_removed (f : V -> R) r :
  nonneg P_0 -> nonneg P -> 0 <= wrong -> 0 <= error -> 0 <= r ->
  let left := Carryover_in_gram_left gram_removed error spread in
  0 < left ->
  below G (1 + wrong) P -> (forall u, G_0 u u - gone u u <= G u u) ->
  (forall u, (1 - error * spread ^ 2) * P_0 u u <= G_0 u u) -> below gone gram_removed P_0 ->
  within P_0 f r -> within P f (Carryover_in_gram_return o left r wrong).
Proof.
  intros PP PP' hw ep rp left lp X Y Z Q W. set (w_0 := error * spread ^ 2) in *.
  assert (w0 : 0 <= w_0) by (unfold w_0; apply Rmult_le_pos; [exact ep | apply pow2_ge_0]).
  assert (ll : left <= 1 - w_0 - gram_removed).
  { unfold left, Carryover_in_gram_left. fold w_0. replace (2 * error * spread ^ 2) with (2 * w_0) by (unfold w_0; ring). lra. }
  apply (within_weaken P f (r * sqrt ((1 + wrong) / (1 - w_0 - gram_removed)))).
  - unfold Carryover_in_gram_return. apply lift_up.
    assert (I : / (1 - w_0 - gram_removed) <= / left) by (apply Rinv_le_contravar; lra).
    assert (S : sqrt ((1 + wrong) / (1 - w_0 - gram_removed)) <= sqrt ((1 + wrong) / left))
      by (apply sqrt_le_1_alt; unfold Rdiv; apply Rmult_le_compat_l; lra).
    assert (S0 := sqrt_pos ((1 + wrong) / left)).
    assert (T : r * sqrt ((1 + wrong) / (1 - w_0 - gram_removed)) <= r * sqrt ((1 + wrong) / left))
      by now apply Rmult_le_compat_l.
    assert (0 <= r * sqrt ((1 + wrong) / left)) by now apply Rmult_le_pos. lra.
  - apply (in_gram P P_0 G G_0 gone); trivial. lra.
Qed.
End Edited.
