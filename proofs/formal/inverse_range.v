(* The mean Hessian on the way to the optimum, and the step for the middle of what it may be. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms.
Local Open Scope R_scope.

Section Middle.
Context {V : ModuleSpace R_Ring}.
Implicit Types (B H : form V) (d w : V).

(** l B <= H <= u B, and w with B w = H d: then ||w||_B^2 - (l + u) H(d, d) + l u ||d||_B^2 <= 0.
    No square root of B is taken, no eigenvector: P = H - l B is semidefinite and at most (u - l) B. *)
Lemma spectrum B H l u d w : nonneg B -> (forall v, l * B v v <= H v v) -> below H u B ->
  (forall v, B w v = H d v) -> B w w - (l + u) * H d d + l * u * B d d <= 0.
Proof.
  intros BP low high W.
  set (P := form_sum H (form_scale (- l) B)).
  assert (PP : nonneg P) by (intros v; unfold P; simpl; specialize (low v); lra).
  assert (Pu : below P (u - l) B) by (intros v; unfold P; simpl; specialize (high v); lra).
  set (y := less w (scal l d)).
  (* ||y||_B^2 = P(d, y) *)
  assert (Y : forall v, B y v = P d v).
  { intros v. unfold y. rewrite less1, W. unfold P. simpl.
    assert (S : B (scal l d) v = l * B d v) by (rewrite (sym B), scale2, (sym B); reflexivity).
    rewrite S. ring. }
  assert (C := cauchy P d y PP). rewrite <- (Y y) in C.
  assert (U := Pu y). assert (Q := PP d). assert (R := BP y).
  assert (K : B y y <= (u - l) * P d d).
  { destruct (Req_dec (B y y) 0) as [Z | Z].
    - rewrite Z. assert (D := Pu d). assert (E := BP d).
      destruct (Rle_dec 0 (u - l)) as [pos | neg]; [now apply Rmult_le_pos|].
      assert (P d d = 0) by nra. rewrite H0. lra.
    - apply (Rmult_le_reg_l (B y y)); [lra|]. nra. }
  assert (Yw : B y y = B w w - 2 * l * H d d + l * l * B d d).
  { assert (S : B w d = H d d) by apply W. unfold y. rewrite less1, !less2, !scale2.
    assert (S2 : B (scal l d) w = l * B w d) by (rewrite (sym B), scale2; reflexivity).
    assert (S3 : B (scal l d) d = l * B d d) by (rewrite (sym B), scale2; reflexivity).
    rewrite S2, S3, S. ring. }
  assert (X : P d d = H d d - l * B d d) by (unfold P; simpl; ring).
  rewrite Yw, X in K. lra.
Qed.

(** d with H d = -g, n with B n = -omega g: the step n ends within max(high - omega, omega - low)
    ||g||_{B^{-1}} of d, low = 1/u and high = 1/l. *)
Theorem middle B H l u omega d n w nu : nonneg B -> 0 < l -> l <= u -> 0 <= nu ->
  (forall v, l * B v v <= H v v) -> below H u B ->
  (forall v, B w v = H d v) -> n = scal omega w -> norm B w <= nu ->
  norm B (less d n) <= Rmax (/ l - omega) (omega - / u) * nu.
Proof.
  intros BP lp lu np low high W N hw. subst n.
  assert (up : 0 < u) by lra.
  set (m := (/ l + / u) / 2). set (r := (/ l - / u) / 2).
  assert (il : / u <= / l) by (apply Rinv_le_contravar; lra).
  assert (rp : 0 <= r) by (unfold r; lra).
  assert (S := spectrum B H l u d w BP low high W).
  assert (Wd : B w d = H d d) by apply W.
  (* the middle *)
  assert (M : norm B (less d (scal m w)) <= r * norm B w).
  { apply Rle_trans with (Rabs (norm B (less d (scal m w)))); [apply Rle_abs|].
    apply square_le; [apply Rmult_le_pos; [exact rp | apply norm_pos]|].
    rewrite norm_square by exact BP.
    replace (r * norm B w * (r * norm B w)) with (r * r * (norm B w * norm B w)) by ring.
    rewrite norm_square by exact BP.
    assert (E : B (less d (scal m w)) (less d (scal m w)) = B d d - 2 * m * B w d + m * m * B w w).
    { rewrite less1, !less2, !scale2.
      assert (S2 : B (scal m w) d = m * B w d) by (rewrite (sym B), scale2, (sym B); reflexivity).
      assert (S3 : B (scal m w) w = m * B w w) by (rewrite (sym B), scale2; reflexivity).
      assert (S4 : B d w = B w d) by apply sym.
      rewrite S2, S3, S4. ring. }
    rewrite E, Wd.
    assert (F : m * m - r * r = / (l * u)) by (unfold m, r; field; lra).
    assert (G : 2 * m = (l + u) * / (l * u)) by (unfold m; field; lra).
    assert (I : 0 < / (l * u)) by (apply Rinv_0_lt_compat; now apply Rmult_lt_0_compat).
    assert (J : B d d = l * u * B d d * / (l * u)) by (field; lra).
    assert (T : / (l * u) * (B w w - (l + u) * H d d + l * u * B d d) <= 0).
    { rewrite <- (Rmult_0_r (/ (l * u))). apply Rmult_le_compat_l; lra. }
    replace (m * m) with (r * r + / (l * u)) by lra. rewrite G, J. lra. }
  (* and what omega is off it *)
  assert (D : less d (scal omega w) = plus (less d (scal m w)) (scal (m - omega) w)).
  { assert (Q : scal (m - omega) w = plus (scal m w) (opp (scal omega w))).
    { exact (@scal_minus_distr_r R_Ring V m omega w). }
    rewrite Q. unfold less. rewrite <- plus_assoc. f_equal.
    rewrite plus_assoc, plus_opp_l, plus_zero_l. reflexivity. }
  rewrite D. apply Rle_trans with (1 := norm_triangle B _ _ BP). rewrite norm_scale by exact BP.
  assert (wp := norm_pos B w).
  assert (X : r + Rabs (m - omega) <= Rmax (/ l - omega) (omega - / u)).
  { unfold Rabs. destruct (Rcase_abs (m - omega)) as [neg | pos].
    - apply Rle_trans with (2 := Rmax_r _ _). unfold r, m. lra.
    - apply Rle_trans with (2 := Rmax_l _ _). unfold r, m in *. lra. }
  assert (Z := Rabs_pos (m - omega)).
  apply Rle_trans with ((r + Rabs (m - omega)) * norm B w); [lra|].
  apply Rle_trans with ((r + Rabs (m - omega)) * nu).
  - apply Rmult_le_compat_l; lra.
  - apply Rmult_le_compat_r; [exact np | exact X].
Qed.
End Middle.
