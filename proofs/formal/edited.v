(* Removal without a retained row: bounds kept in the norm of B_0, the factor of the last refresh. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Rounded Code gsc_remainder Objective.
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

(** `Carryover.step`: base + d is the optimum, n the exact step, v the one made, N = B or B_0. *)
Theorem code_edited o A G N d n v c c_gram gram_norm short unsolved :
  nonneg A -> nonneg G -> nonneg N -> 0 <= c -> 0 <= c_gram ->
  (forall u, norm A u <= c * norm N u) -> (forall u, norm G u <= c_gram * norm N u) ->
  norm N (less d n) <= short -> norm N (less n v) <= unsolved -> norm G v <= gram_norm ->
  norm A (less d v) <= Carryover_step_return o c short unsolved /\
  norm G d <= Carryover_step_size o c_gram gram_norm short unsolved.
Proof.
  intros AP GP NP cp gp hA hG hs hu hv.
  assert (S : less d v = plus (less d n) (less n v)).
  { unfold less. rewrite <- plus_assoc. f_equal. rewrite plus_assoc, plus_opp_l, plus_zero_l. reflexivity. }
  assert (U : norm N (less d v) <= short + unsolved).
  { rewrite S. apply Rle_trans with (1 := norm_triangle N _ _ NP). lra. }
  split.
  - unfold Carryover_step_return. apply lift_up. apply Rle_trans with (1 := hA _).
    apply Rmult_le_compat_l; [exact cp | now apply lift_up].
  - unfold Carryover_step_size. apply lift_up.
    assert (D : d = plus v (less d v)).
    { unfold less. rewrite plus_comm, <- plus_assoc, plus_opp_l, plus_zero_r. reflexivity. }
    rewrite D at 1. apply Rle_trans with (1 := norm_triangle G _ _ GP).
    apply Rplus_le_compat; [exact hv|]. apply lift_up. apply Rle_trans with (1 := hG _).
    apply Rmult_le_compat_l; [exact gp | now apply lift_up].
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
