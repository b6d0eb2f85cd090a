(* Monotone functions from signs of derivatives, and finite sums. *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
Local Open Scope R_scope.

(** [auto_derive] for an expression with a function whose derivative is the hypothesis [D] *)
Ltac derive_with D :=
  match type of D with
  | is_derive _ _ ?v =>
    auto_derive; [repeat split; try easy; exists v; exact D |
      match goal with
      | |- context [Derive ?f ?x] =>
        replace (Derive f x) with v by (symmetry; apply is_derive_unique; exact D)
      end; try ring]
  end.

(** the same with two functions *)
Ltac derive_with2 D D' :=
  match type of D with is_derive _ _ ?v =>
  match type of D' with is_derive _ _ ?v' =>
    auto_derive; [repeat split; try easy; solve [exists v; exact D | exists v'; exact D' | lra] |
      repeat match goal with
      | |- context [Derive ?f ?x] =>
        first [replace (Derive f x) with v by (symmetry; apply is_derive_unique; exact D)
              | replace (Derive f x) with v' by (symmetry; apply is_derive_unique; exact D')]
      end; try ring]
  end end.

(** Equations between values of functions on [R_AbsRing] are equations between reals. *)
Ltac reals := match goal with |- @eq _ ?a ?b => change (@eq R a b) end.

Lemma rises (f f' : R -> R) (a b : R) :
  a <= b ->
  (forall x, a <= x <= b -> is_derive f x (f' x)) ->
  (forall x, a <= x <= b -> 0 <= f' x) -> f a <= f b.
Proof.
  intros ab df pos.
  destruct (MVT_gen f a b f') as [c [hc eq]].
  - intros x hx; rewrite Rmin_left, Rmax_right in hx by lra. apply df; lra.
  - intros x hx; rewrite Rmin_left, Rmax_right in hx by lra.
    apply continuity_pt_filterlim, (ex_derive_continuous f).
    exists (f' x); apply df; lra.
  - rewrite Rmin_left, Rmax_right in hc by lra.
    assert (0 <= f' c) by (apply pos; lra). nra.
Qed.

(** A function that starts at 0 or above and rises stays there. *)
Lemma stays (f f' : R -> R) b : 0 <= f 0 ->
  (forall x, 0 <= x <= b -> is_derive f x (f' x)) ->
  (forall x, 0 <= x <= b -> 0 <= f' x) -> forall x, 0 <= x <= b -> 0 <= f x.
Proof.
  intros start df pos x hx. apply Rle_trans with (1 := start).
  apply (rises f f'); [lra | |]; intros y hy; [apply df | apply pos]; lra.
Qed.

(** What rises at most as fast as g does differs by at most as much. *)
Lemma slower (f f' g g' : R -> R) a b :
  a <= b ->
  (forall x, a <= x <= b -> is_derive f x (f' x)) ->
  (forall x, a <= x <= b -> is_derive g x (g' x)) ->
  (forall x, a <= x <= b -> Rabs (f' x) <= g' x) -> Rabs (f b - f a) <= g b - g a.
Proof.
  intros ab df dg le.
  assert (P : g a - f a <= g b - f b).
  { apply (rises (fun x => g x - f x) (fun x => g' x - f' x)); [exact ab | |].
    - intros x hx. apply (is_derive_minus g f x); [apply dg | apply df]; lra.
    - intros x hx. assert (H := le x hx). assert (K := RRle_abs (f' x)). lra. }
  assert (N : g a + f a <= g b + f b).
  { apply (rises (fun x => g x + f x) (fun x => g' x + f' x)); [exact ab | |].
    - intros x hx. apply (is_derive_plus g f x); [apply dg | apply df]; lra.
    - intros x hx. assert (H := le x hx). assert (K := RRle_abs (- f' x)).
      rewrite Rabs_Ropp in K. lra. }
  apply Rabs_le. lra.
Qed.

Lemma constant (f : R -> R) : (forall x, is_derive f x 0) -> forall a b, a <= b -> f a = f b.
Proof.
  intros df a b ab.
  assert (H : Rabs (f b - f a) <= 0 - 0).
  { apply (slower f (fun _ => 0) (fun _ => 0) (fun _ => 0)); [exact ab | intros; apply df | |].
    - intros. apply @is_derive_const.
    - intros. rewrite Rabs_R0. apply Rle_refl. }
  apply Rabs_le_between in H. lra.
Qed.

Lemma exp_rises x y : x <= y -> exp x <= exp y.
Proof. intros [H|H]; [left; apply exp_increasing; exact H | rewrite H; lra]. Qed.

Lemma ln_rises x y : 0 < x -> x <= y -> ln x <= ln y.
Proof. intros P [H|H]; [left; apply ln_increasing; assumption | rewrite H; lra]. Qed.

Lemma exp_cancel x : exp x * exp (- x) = 1.
Proof. rewrite <- exp_plus, Rplus_opp_r. apply exp_0. Qed.

Lemma exp_times n x : exp (INR n * x) = exp x ^ n.
Proof.
  induction n as [|n IH]; [simpl; rewrite Rmult_0_l; apply exp_0|].
  rewrite S_INR, Rmult_plus_distr_r, Rmult_1_l, exp_plus, IH. simpl. ring.
Qed.

(** ** |h'| <= t h: h changes by at most a factor exp (t a) *)

Section Factor.
Variables (h h' : R -> R) (t a : R).
Hypothesis ha : 0 <= a.
Hypothesis dh : forall x, 0 <= x <= a -> is_derive h x (h' x).
Hypothesis le : forall x, 0 <= x <= a -> Rabs (h' x) <= t * h x.

Lemma factor_above : h a <= exp (t * a) * h 0.
Proof.
  assert (M : (fun x => - (h x * exp (- (t * x)))) 0 <= (fun x => - (h x * exp (- (t * x)))) a).
  { apply (rises (fun x => - (h x * exp (- (t * x))))
             (fun x => (t * h x - h' x) * exp (- (t * x)))); [exact ha | |].
    - intros x hx. assert (D := dh x hx). derive_with D.
    - intros x hx. assert (C := le x hx). assert (K := RRle_abs (h' x)).
      apply Rmult_le_pos; [lra | left; apply exp_pos]. }
  cbv beta in M. rewrite Rmult_0_r, Ropp_0, exp_0, Rmult_1_r in M.
  assert (E := exp_cancel (t * a)). assert (P := exp_pos (t * a)).
  apply Rle_trans with (exp (t * a) * (h a * exp (- (t * a)))); [|nra].
  replace (exp (t * a) * (h a * exp (- (t * a)))) with (h a * (exp (t * a) * exp (- (t * a)))) by ring.
  rewrite E. lra.
Qed.

Lemma factor_below : exp (- (t * a)) * h 0 <= h a.
Proof.
  assert (M : (fun x => h x * exp (t * x)) 0 <= (fun x => h x * exp (t * x)) a).
  { apply (rises (fun x => h x * exp (t * x))
             (fun x => (t * h x + h' x) * exp (t * x))); [exact ha | |].
    - intros x hx. assert (D := dh x hx). derive_with D.
    - intros x hx. assert (C := le x hx). assert (K := RRle_abs (- h' x)).
      rewrite Rabs_Ropp in K. apply Rmult_le_pos; [lra | left; apply exp_pos]. }
  cbv beta in M. rewrite Rmult_0_r, exp_0, Rmult_1_r in M.
  assert (E := exp_cancel (t * a)). assert (P := exp_pos (- (t * a))).
  apply Rle_trans with (exp (- (t * a)) * (h a * exp (t * a))); [nra|].
  replace (exp (- (t * a)) * (h a * exp (t * a))) with (h a * (exp (t * a) * exp (- (t * a)))) by ring.
  rewrite E. lra.
Qed.
End Factor.

(** ** Finite sums *)

Definition total {A} (f : A -> R) (rows : list A) : R := fold_right (fun r acc => f r + acc) 0 rows.

Section Totals.
Context {A : Type}.
Implicit Types (f g : A -> R) (rows : list A).

Lemma total_derive (f f' : A -> R -> R) rows a :
  (forall r, In r rows -> is_derive (f r) a (f' r a)) ->
  is_derive (fun a => total (fun r => f r a) rows) a (total (fun r => f' r a) rows).
Proof.
  induction rows as [|r rest IH]; simpl; intros H.
  - apply @is_derive_const.
  - apply (@is_derive_plus R_AbsRing R_NormedModule (f r) (fun a => total (fun r => f r a) rest));
      [apply H; now left | apply IH; intros; apply H; now right].
Qed.

Lemma total_le f g rows : (forall r, In r rows -> f r <= g r) -> total f rows <= total g rows.
Proof.
  induction rows as [|r rest IH]; simpl; intros H; [lra|].
  apply Rplus_le_compat; [apply H; now left | apply IH; intros; apply H; now right].
Qed.

Lemma total_ext f g rows : (forall r, In r rows -> f r = g r) -> total f rows = total g rows.
Proof.
  induction rows as [|r rest IH]; simpl; intros H; [reflexivity|].
  f_equal; [apply H; now left | apply IH; intros; apply H; now right].
Qed.

Lemma total_plus f g rows : total (fun r => f r + g r) rows = total f rows + total g rows.
Proof. induction rows as [|r rest IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma total_scal c f rows : total (fun r => c * f r) rows = c * total f rows.
Proof. induction rows as [|r rest IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma total_nonneg f rows : (forall r, In r rows -> 0 <= f r) -> 0 <= total f rows.
Proof.
  induction rows as [|r rest IH]; simpl; intros H; [lra|].
  apply Rplus_le_le_0_compat; [apply H; now left | apply IH; intros; apply H; now right].
Qed.

Lemma total_abs f rows : Rabs (total f rows) <= total (fun r => Rabs (f r)) rows.
Proof.
  induction rows as [|r rest IH]; simpl; [rewrite Rabs_R0; lra|].
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

Lemma total_bound f g rows t :
  (forall r, In r rows -> Rabs (f r) <= t * g r) -> Rabs (total f rows) <= t * total g rows.
Proof.
  intros H. apply Rle_trans with (1 := total_abs f rows). rewrite <- total_scal.
  apply total_le. exact H.
Qed.

Lemma total_pos f rows : rows <> nil -> (forall r, In r rows -> 0 < f r) -> 0 < total f rows.
Proof.
  destruct rows as [|r rest]; [congruence|]. intros _ H. simpl.
  assert (0 < f r) by (apply H; now left).
  assert (0 <= total f rest) by (apply total_nonneg; intros; left; apply H; now right). lra.
Qed.
End Totals.
