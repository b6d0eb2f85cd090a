(* Symmetric bilinear forms on a real vector space of any dimension, their norms and dual norms.

   A positive semidefinite matrix B enters the proofs as the form B u v = u' B v. The norm of B^{-1}
   never needs an inverse: ||g||_{B^{-1}} <= r says g u <= r ||u||_B for every u ([within]). *)
From Coq Require Import Reals Lra List Psatz.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis.
Local Open Scope R_scope.

Record form (V : ModuleSpace R_Ring) := {
  at_ :> V -> V -> R;
  sym : forall x y, at_ x y = at_ y x;
  add : forall x y u, at_ (plus x y) u = at_ x u + at_ y u;
  scale : forall a x u, at_ (scal a x) u = a * at_ x u }.
Arguments sym {V}. Arguments add {V}. Arguments scale {V}.

Record functional (V : ModuleSpace R_Ring) := {
  of_ :> V -> R;
  of_add : forall x y, of_ (plus x y) = of_ x + of_ y;
  of_scale : forall a x, of_ (scal a x) = a * of_ x }.
Arguments of_add {V}. Arguments of_scale {V}.

Section Forms.
Context {V : ModuleSpace R_Ring}.
Implicit Types (A B C D H M : form V) (u v w x y : V) (f g : V -> R).

Definition nonneg B := forall u, 0 <= B u u.
(** Loewner order, with a factor: A <= c B *)
Definition below A c B := forall u, A u u <= c * B u u.
Definition norm B u := sqrt (B u u).
(** ||g||_{B^{-1}} <= r *)
Definition within B f r := forall u, Rabs (f u) <= r * norm B u.
Definition less x y : V := plus x (opp y).

Lemma scale2 B a x y : B x (scal a y) = a * B x y.
Proof. now rewrite sym, scale, sym. Qed.
Lemma add2 B x y u : B u (plus x y) = B u x + B u y.
Proof. now rewrite sym, add, (sym B x), (sym B y). Qed.
Lemma opp1 B x y : B (opp x) y = - B x y.
Proof. rewrite <- (@scal_opp_one R_Ring V). rewrite scale. unfold opp, one; simpl. ring. Qed.
Lemma opp2 B x y : B y (opp x) = - B y x.
Proof. now rewrite sym, opp1, sym. Qed.
Lemma less1 B x y u : B (less x y) u = B x u - B y u.
Proof. unfold less. rewrite add, opp1. ring. Qed.
Lemma less2 B x y u : B u (less x y) = B u x - B u y.
Proof. now rewrite sym, less1, (sym B x), (sym B y). Qed.
Lemma square_plus B x y : B (plus x y) (plus x y) = B x x + 2 * B x y + B y y.
Proof. rewrite add, !add2, (sym B y x). ring. Qed.

Lemma discriminant a d c :
  (forall p q, 0 <= a * (p * p) + 2 * d * (p * q) + c * (q * q)) -> d * d <= a * c.
Proof.
  intros E. assert (Pa : 0 <= a) by (assert (Y := E 1 0); lra).
  destruct Pa as [Pa|Za].
  - assert (Y := E (- d) a). nra.
  - subst a. destruct (Req_dec d 0) as [Z|Z]; [subst d; lra|]. exfalso.
    assert (Y := E (- (c + 1) / (2 * d)) 1).
    replace (0 * (- (c + 1) / (2 * d) * (- (c + 1) / (2 * d)))
      + 2 * d * (- (c + 1) / (2 * d) * 1) + c * (1 * 1)) with (-1) in Y by (field; exact Z).
    lra.
Qed.

Lemma square_combination B p q x y :
  B (plus (scal p x) (scal q y)) (plus (scal p x) (scal q y))
  = B x x * (p * p) + 2 * B x y * (p * q) + B y y * (q * q).
Proof. rewrite square_plus, !scale, !scale2. ring. Qed.

Lemma cauchy B x y : nonneg B -> B x y * B x y <= B x x * B y y.
Proof.
  intros P. apply discriminant. intros p q. rewrite <- square_combination. apply P.
Qed.

Lemma norm_pos B u : 0 <= norm B u. Proof. apply sqrt_pos. Qed.
Lemma norm_square B u : nonneg B -> norm B u * norm B u = B u u.
Proof. intros P. apply sqrt_sqrt, P. Qed.

Lemma square_le a b : 0 <= b -> a * a <= b * b -> Rabs a <= b.
Proof.
  intros P H. rewrite <- (Rabs_pos_eq b P). apply Rsqr_le_abs_0. exact H.
Qed.

Lemma cauchy_norm B x y : nonneg B -> Rabs (B x y) <= norm B x * norm B y.
Proof.
  intros P. apply square_le; [apply Rmult_le_pos; apply norm_pos|].
  replace (norm B x * norm B y * (norm B x * norm B y))
    with ((norm B x * norm B x) * (norm B y * norm B y)) by ring.
  rewrite !norm_square by exact P. now apply cauchy.
Qed.

(** The operator norm of a symmetric form is what it does on the diagonal. *)
Lemma operator_bound D B c : nonneg B -> 0 <= c ->
  (forall u, Rabs (D u u) <= c * B u u) ->
  forall x y, Rabs (D x y) <= c * (norm B x * norm B y).
Proof.
  intros P cpos H x y.
  assert (Q : D x y * D x y <= (c * B x x) * (c * B y y)).
  { apply discriminant. intros p q.
    assert (H1 := H (plus (scal p x) (scal q y))). assert (H2 := H (plus (scal p x) (scal (- q) y))).
    apply Rabs_le_between in H1. apply Rabs_le_between in H2.
    rewrite !square_combination in H1, H2. lra. }
  apply square_le; [apply Rmult_le_pos; [exact cpos | apply Rmult_le_pos; apply norm_pos]|].
  replace (c * (norm B x * norm B y) * (c * (norm B x * norm B y)))
    with ((c * (norm B x * norm B x)) * (c * (norm B y * norm B y))) by ring.
  rewrite !norm_square by exact P. exact Q.
Qed.

Lemma norm_triangle B x y : nonneg B -> norm B (plus x y) <= norm B x + norm B y.
Proof.
  intros P. assert (X := norm_pos B x). assert (Y := norm_pos B y).
  rewrite <- (Rabs_pos_eq (norm B (plus x y))) by apply norm_pos.
  apply square_le; [lra|]. rewrite norm_square, square_plus by exact P.
  assert (C := cauchy_norm B x y P). assert (K := RRle_abs (B x y)).
  assert (E := norm_square B x P). assert (F := norm_square B y P). nra.
Qed.

Lemma norm_scale B a x : nonneg B -> norm B (scal a x) = Rabs a * norm B x.
Proof.
  intros P. unfold norm. rewrite scale, scale2, <- Rmult_assoc.
  rewrite sqrt_mult_alt by nra. f_equal. apply (sqrt_Rsqr_abs a).
Qed.

Lemma norm_opp B x : norm B (opp x) = norm B x.
Proof. unfold norm. rewrite opp1, opp2. f_equal. ring. Qed.

Lemma norm_zero B : norm B zero = 0.
Proof.
  unfold norm. rewrite <- (scal_zero_l (V := V) zero), scale, Rmult_0_l. apply sqrt_0.
Qed.

Lemma below_norm A c B u : nonneg A -> 0 <= c -> below A c B -> norm A u <= sqrt c * norm B u.
Proof.
  intros P cpos H. unfold norm. rewrite <- sqrt_mult_alt by exact cpos.
  apply sqrt_le_1_alt, H.
Qed.

(** Dual norms carry over the other way: A <= c B gives ||f||_{B^{-1}} <= sqrt c ||f||_{A^{-1}}. *)
Lemma within_below A c B f r : nonneg A -> 0 <= c -> 0 <= r -> below A c B ->
  within A f r -> within B f (r * sqrt c).
Proof.
  intros P cpos rpos H W u. apply Rle_trans with (1 := W u).
  rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact rpos | now apply below_norm].
Qed.

Lemma within_weaken B f r r' : r <= r' -> within B f r -> within B f r'.
Proof.
  intros H W u. apply Rle_trans with (1 := W u).
  apply Rmult_le_compat_r; [apply norm_pos | exact H].
Qed.

Lemma within_sum B f g r q : within B f r -> within B g q -> within B (fun u => f u + g u) (r + q).
Proof.
  intros F G u. apply Rle_trans with (1 := Rabs_triang _ _).
  rewrite Rmult_plus_distr_r. apply Rplus_le_compat; [apply F | apply G].
Qed.

(** ||B^{-1} f||_B = ||f||_{B^{-1}}: if B x = f then ||x||_B <= r *)
Lemma norm_solution B f r x : nonneg B -> 0 <= r -> (forall u, B x u = f u) ->
  within B f r -> norm B x <= r.
Proof.
  intros P rpos S W. assert (X := W x). rewrite <- S in X.
  rewrite Rabs_pos_eq, <- norm_square in X by (try apply P; assumption).
  assert (N := norm_pos B x). destruct N as [N|N]; [nra | lra].
Qed.

(** ** Sums, multiples, differences *)

Program Definition form_sum A B : form V := {| at_ := fun x y => A x y + B x y |}.
Next Obligation. now rewrite (sym A), (sym B). Qed.
Next Obligation. rewrite !add. ring. Qed.
Next Obligation. rewrite !scale. ring. Qed.

Program Definition form_scale c A : form V := {| at_ := fun x y => c * A x y |}.
Next Obligation. now rewrite (sym A). Qed.
Next Obligation. rewrite !add. ring. Qed.
Next Obligation. rewrite !scale. ring. Qed.

Definition form_less A B := form_sum A (form_scale (-1) B).

Lemma form_less_at A B x y : form_less A B x y = A x y - B x y.
Proof. simpl. ring. Qed.

Program Definition form_zero : form V := {| at_ := fun _ _ => 0 |}.
Next Obligation. lra. Qed.
Next Obligation. lra. Qed.

Lemma nonneg_sum A B : nonneg A -> nonneg B -> nonneg (form_sum A B).
Proof. intros P Q u. simpl. specialize (P u). specialize (Q u). lra. Qed.
Lemma nonneg_scale c A : 0 <= c -> nonneg A -> nonneg (form_scale c A).
Proof. intros P Q u. simpl. specialize (Q u). nra. Qed.

(** e^{-T} B <= H <= e^T B *)
Definition near T B H := below H (exp T) B /\ forall u, exp (- T) * B u u <= H u u.

Lemma near_sym T B H : near T B H -> near T H B.
Proof.
  intros [U L]. assert (E := exp_cancel T). assert (P := exp_pos T). split; intros u.
  - specialize (L u). apply (Rmult_le_compat_l (exp T)) in L; [|lra].
    rewrite <- Rmult_assoc, E in L. lra.
  - specialize (U u). assert (Q := exp_pos (- T)). apply (Rmult_le_compat_l (exp (- T))) in U; [|lra].
    replace (exp (- T) * (exp T * B u u)) with (exp T * exp (- T) * B u u) in U by ring.
    rewrite E in U. lra.
Qed.

Lemma near_chain S T A B C : near S A B -> near T B C -> near (S + T) A C.
Proof.
  intros [U L] [U' L']. split; intros u.
  - specialize (U u). specialize (U' u). assert (P := exp_pos T). rewrite exp_plus. nra.
  - specialize (L u). specialize (L' u). assert (P := exp_pos (- T)).
    rewrite Ropp_plus_distr, exp_plus. nra.
Qed.

Lemma near_nonneg T B H : near T B H -> nonneg B -> nonneg H.
Proof.
  intros [U L] P u. apply Rle_trans with (2 := L u).
  apply Rmult_le_pos; [left; apply exp_pos | apply P].
Qed.

Lemma sqrt_exp T : sqrt (exp T) = exp (T / 2).
Proof.
  replace T with (T / 2 + T / 2) at 1 by field. rewrite exp_plus. apply sqrt_square.
  left; apply exp_pos.
Qed.

Lemma near_norm T B H u : nonneg B -> near T B H -> norm B u <= exp (T / 2) * norm H u.
Proof.
  intros P N. rewrite <- sqrt_exp. apply below_norm; [exact P | left; apply exp_pos|].
  apply near_sym in N. apply N.
Qed.

Lemma near_within T B H f r : nonneg B -> near T B H -> 0 <= r ->
  within B f r -> within H f (r * exp (T / 2)).
Proof.
  intros P N rpos W. rewrite <- sqrt_exp. apply (within_below B); trivial.
  - left; apply exp_pos.
  - apply near_sym in N. apply N.
Qed.

(** |(H - B)(x, y)| <= (e^T - 1) ||x||_B ||y||_B *)
Lemma near_difference T B H x y : nonneg B -> 0 <= T -> near T B H ->
  Rabs (H x y - B x y) <= (exp T - 1) * (norm B x * norm B y).
Proof.
  intros P Tpos [U L]. rewrite <- form_less_at.
  assert (E : 1 <= exp T) by (rewrite <- exp_0; now apply exp_rises).
  apply operator_bound; [exact P | lra |].
  intros u. rewrite form_less_at. specialize (U u). specialize (L u). specialize (P u).
  assert (M : 2 <= exp T + exp (- T)).
  { assert (C := exp_cancel T). assert (Q := exp_pos (- T)). nra. }
  apply Rabs_le. nra.
Qed.
End Forms.
