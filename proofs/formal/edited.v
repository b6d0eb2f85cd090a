(* Removal without a retained row: bounds kept in the norm of B_0, the factor of the last pass. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms gsc_remainder Objective distance_from_decrement
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
End Edited.
