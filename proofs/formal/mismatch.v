(* How far the model's Hessian may be from the present one. *)
From Coq Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms gsc_remainder.
Local Open Scope R_scope.

Section Mismatch.
Context {V : ModuleSpace R_Ring}.
Implicit Types (B C P : form V).

(** A quadratic form of weighted contributions and a penalty *)
Definition weighted {A} (s : A -> R) (C : A -> form V) P rows : form V :=
  fold_right (fun i acc => form_sum (form_scale (s i) (C i)) acc) P rows.

Lemma weighted_at {A} (s : A -> R) (C : A -> form V) P rows u :
  weighted s C P rows u u = total (fun i => s i * C i u u) rows + P u u.
Proof. induction rows as [|i rows IH]; simpl; [ring | rewrite IH; ring]. Qed.

(** Weights that changed by factors within e^{+-rho} *)
Theorem weights_near {A} (s s' : A -> R) (C : A -> form V) P rows rho : 0 <= rho ->
  (forall i, In i rows -> nonneg (C i)) -> nonneg P ->
  (forall i, In i rows -> exp (- rho) * s i <= s' i <= exp rho * s i) ->
  near rho (weighted s C P rows) (weighted s' C P rows).
Proof.
  intros rp CP PP H. assert (E : 1 <= exp rho) by (rewrite <- exp_0; now apply exp_rises).
  assert (E' : exp (- rho) <= 1) by (rewrite <- exp_0; apply exp_rises; lra).
  split; intros u; rewrite !weighted_at; specialize (PP u); rewrite Rmult_plus_distr_l, <- total_scal;
    (apply Rplus_le_compat; [apply total_le; intros i hi; destruct (H i hi); specialize (CP i hi u); nra | nra]).
Qed.

(** (4a) for the step, (4a) for the error of the margins, the factor's theta, the weights *)
Theorem mismatch B (at_margins at_W at_w reweighted : form V) theta margin_error ratio moved :
  near theta B at_margins -> near margin_error at_margins at_W -> near ratio at_W reweighted ->
  near moved reweighted at_w -> near (theta + margin_error + ratio + moved) B at_w.
Proof.
  intros X Y Z W. apply (near_chain _ _ B reweighted); [|exact W].
  apply (near_chain _ _ B at_W); [|exact Z]. now apply (near_chain _ _ B at_margins).
Qed.

(** ... each of the two being (4a) of a step between them *)
Theorem moved_near {v : V} {t} (F : piece v t) : near t (hess F 0) (hess F 1).
Proof. assert (N := hessian_near F 1 ltac:(lra)). now rewrite Rmult_1_r in N. Qed.
End Mismatch.
