(* The floor with one more row. *)
From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Formal Require Import Analysis Forms Code.
Local Open Scope R_scope.

(** The largest eigenvalue of M'M, M = [[p, 0], [kappa q, q]], as the code has it *)
Theorem largest p q kappa x y :
  let half := appended_floor_half kappa p q in
  (p * x) * (p * x) + (q * (y + kappa * x)) * (q * (y + kappa * x))
    <= appended_floor_largest half kappa q * (x * x + y * y).
Proof.
  intros half. unfold appended_floor_largest. set (b := kappa * q * q).
  set (h := sqrt (half ^ 2 + b ^ 2)).
  assert (H : h * h = half * half + b * b).
  { unfold h. rewrite sqrt_sqrt; [ring|]. assert (X := pow2_ge_0 half). assert (Y := pow2_ge_0 b). lra. }
  assert (hp : 0 <= h) by apply sqrt_pos.
  assert (E : p * p + kappa * kappa * q * q = 2 * half + q * q) by (unfold half, appended_floor_half; field).
  (* (h - half) x^2 - 2 b x y + (h + half) y^2 >= 0, of determinant 0 *)
  assert (Q : 0 <= (h - half) * (x * x) - 2 * b * (x * y) + (h + half) * (y * y)).
  { assert (A : half <= h /\ - h <= half).
    { assert (S : Rabs half <= h) by (apply square_le; [exact hp | nra]). apply Rabs_le_between in S. lra. }
    destruct (Req_dec (h - half) 0) as [Z|N].
    - assert (b = 0) by nra. nra.
    - assert (D : 0 < h - half) by lra.
      assert (P : 0 <= ((h - half) * x - b * y) * ((h - half) * x - b * y)) by apply Rle_0_sqr.
      apply (Rmult_le_reg_l (h - half)); [exact D|]. rewrite Rmult_0_r.
      replace ((h - half) * ((h - half) * (x * x) - 2 * b * (x * y) + (h + half) * (y * y)))
        with (((h - half) * x - b * y) * ((h - half) * x - b * y) + (h * h - half * half - b * b) * (y * y)) by ring.
      rewrite H. lra. }
  replace (p * x * (p * x) + q * (y + kappa * x) * (q * (y + kappa * x)))
    with ((p * p + kappa * kappa * q * q) * (x * x) + 2 * (kappa * q * q) * (x * y) + q * q * (y * y)) by ring.
  rewrite E. fold b. lra.
Qed.

Section Rows.
Context {V : ModuleSpace R_Ring}.
(** w = A^+ r_1 + s e, e a unit vector across the rows of A, s = (r_2 - c* r_1)/rho: its length. *)
Theorem solution_length (I : form V) (w1 e : V) s p q kappa r1 r2 :
  nonneg I -> 0 <= q -> 0 <= kappa ->
  I w1 e = 0 -> I e e = 1 -> norm I w1 <= p * r1 -> 0 <= p * r1 -> 0 <= r1 -> 0 <= r2 ->
  Rabs s <= q * (r2 + kappa * r1) ->
  let half := appended_floor_half kappa p q in
  I (plus w1 (scal s e)) (plus w1 (scal s e)) <= appended_floor_largest half kappa q * (r1 * r1 + r2 * r2).
Proof.
  intros IP qp kp orth unit hw hp0 h1 h2 hs half.
  apply Rle_trans with (2 := largest p q kappa r1 r2).
  rewrite square_plus, scale2, scale, scale2, orth, unit.
  assert (A : I w1 w1 <= p * r1 * (p * r1)).
  { rewrite <- (norm_square I w1 IP). assert (N := norm_pos I w1). apply Rmult_le_compat; lra. }
  assert (B : s * s <= q * (r2 + kappa * r1) * (q * (r2 + kappa * r1))).
  { rewrite <- (Rabs_pos_eq (s * s)) by apply Rle_0_sqr. rewrite Rabs_mult.
    assert (S := Rabs_pos s). apply Rmult_le_compat; lra. }
  lra.
Qed.
End Rows.
