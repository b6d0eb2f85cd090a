(* Written by bridge.py from certunlearn/*.py: do not edit. *)
From Coq Require Import Reals.
From Coquelicot Require Import Rcomplements.
From Formal Require Import Rounded Gaussian.
Local Open Scope R_scope.

Section Code.
Variables (o : outward) (finite : R -> bool).

Definition gamma (n : R) : option (R) :=
  let nu := (n * ((/ 2 ^ 52) / 2)) in
  if Rle_dec (1 / 2) nu then None else Some (up o (nu / (1 - nu)) 4).

Definition sigmoid (z : R) : R :=
  let small := (exp (- (Rabs z))) in
  ((if Rle_dec 0 z then 1 else small) / (1 + small)).

Definition softplus (z : R) : R :=
  ((Rmax z 0) + (ln (1 + (exp (- (Rabs z)))))).

Definition bell (z : R) : R :=
  let small := (exp (- (Rabs z))) in
  (small / ((1 + small) ^ 2)).

Definition Logistic_R : R := 1.

Definition Logistic_kappa : R := (1 / 4).

Definition Logistic_value (z : R) (t : R) : R :=
  (softplus ((- t) * z)).

Definition Logistic_slope (z : R) (t : R) : R :=
  ((- t) * (sigmoid ((- t) * z))).

Definition Logistic_curvature (z : R) (t : R) : R :=
  (bell z).

Definition Squared_R : R := 0.

Definition Squared_kappa : R := 1.

Definition Squared_value (z : R) (t : R) : R :=
  ((1 / 2) * ((z - t) ^ 2)).

Definition Squared_slope (z : R) (t : R) : R :=
  (z - t).

Definition Squared_curvature (z : R) (t : R) : R :=
  (1).

Definition Poisson_R : R := 1.

Definition Poisson_kappa : R := 1.

Definition Poisson_value (z : R) (t : R) : R :=
  ((exp z) - (t * z)).

Definition Poisson_slope (z : R) (t : R) : R :=
  ((exp z) - t).

Definition Poisson_curvature (z : R) (t : R) : R :=
  (exp z).

Definition Gamma_R : R := 1.

Definition Gamma_kappa : R := 1.

Definition Gamma_value (z : R) (t : R) : R :=
  (z + (t * (exp (- z)))).

Definition Gamma_slope (z : R) (t : R) : R :=
  (1 - (t * (exp (- z)))).

Definition Gamma_curvature (z : R) (t : R) : R :=
  (t * (exp (- z))).

Definition PseudoHuber_R (threshold : R) : R :=
  ((3 / 2) / threshold).

Definition PseudoHuber_kappa : R := 1.

Definition PseudoHuber_root (threshold : R) (r : R) : R :=
  (sqrt ((1) ^ 2 + (r / threshold) ^ 2)).

Definition PseudoHuber_value (threshold : R) (z : R) (t : R) : R :=
  let r := (z - t) in
  (r * (r / (1 + (PseudoHuber_root threshold r)))).

Definition PseudoHuber_slope (threshold : R) (z : R) (t : R) : R :=
  let r := (z - t) in
  (r / (PseudoHuber_root threshold r)).

Definition PseudoHuber_curvature (threshold : R) (z : R) (t : R) : R :=
  (/ ((PseudoHuber_root threshold (z - t)) ^ 3)).

Definition LogCosh_R : R := 2.

Definition LogCosh_kappa : R := 1.

Definition LogCosh_value (z : R) (t : R) : R :=
  let r := (Rabs (z - t)) in
  ((r + (ln (1 + (exp ((- 2) * r))))) - (ln 2)).

Definition LogCosh_slope (z : R) (t : R) : R :=
  (tanh (z - t)).

Definition LogCosh_curvature (z : R) (t : R) : R :=
  let small := (exp ((- 2) * (Rabs (z - t)))) in
  (small * ((2 / (1 + small)) ^ 2)).

Definition SoftplusHinge_R (temperature : R) : R :=
  (1 / temperature).

Definition SoftplusHinge_kappa (temperature : R) : R :=
  ((1 / 4) / temperature).

Definition SoftplusHinge_lack (temperature : R) (z : R) (t : R) : R :=
  ((1 - (t * z)) / temperature).

Definition SoftplusHinge_value (temperature : R) (z : R) (t : R) : R :=
  (temperature * (softplus (SoftplusHinge_lack temperature z t))).

Definition SoftplusHinge_slope (temperature : R) (z : R) (t : R) : R :=
  ((- t) * (sigmoid (SoftplusHinge_lack temperature z t))).

Definition SoftplusHinge_curvature (temperature : R) (z : R) (t : R) : R :=
  ((bell (SoftplusHinge_lack temperature z t)) / temperature).

Definition Softmax_R : R := 1.

Definition Softmax_kappa : R := (1 / 2).

Definition gsc_remainder (t : R) : option (R) :=
  if Req_EM_T t 0 then Some 0 else if Rlt_dec t (1 / 100) then Some (up o (((((t / 2) + ((t * t) / 6)) + ((t ^ 3) / 24)) + ((t ^ 4) / 120)) + ((t ^ 5) / 700)) 16) else if Rlt_dec 700 t then None else Some ((((exp t - 1) - t) / t) * (1 + (1 / 10000000000000))).

Definition distance_from_decrement (nu : R) (L : R) : option (R * R) :=
  let product := (up o (nu * L) 4) in
  if Rlt_dec product 1 then let t := (((- (ln (1 + (- product)))) * (1 + (1 / 10000000000000))) / (1 - (product * (1 / 1000000000000000)))) in
  bind (if Rlt_dec (1 / 2) product then let t := (t + ((1 / 1000000000000000) / (1 - product))) in
  Some t else Some t) (fun t =>
  if Rlt_dec product (1 / 100000000) then let grown := (1 + (product * ((1 / 2) + product))) in
  Some ((up o (nu * grown) 8), (up o (product * grown) 8)) else Some ((up o (t / L) 4), (up o t 4))) else None.

Definition distance_remainder (nu : R) (L : R) (T : R) (spread : R * R * R) : option (R * R) :=
  if Rlt_dec 100 T then None else let half := ((exp (T / 2)) * (1 + (1 / 10000000000000))) in
  bind (distance_from_decrement (up o (nu * half) 4) (up o (L * half) 4)) (fun v0 =>
  let '(r_H, t) := v0 in
  if finite r_H then let r := (up o (half * r_H) 4) in
  let stale := ((exp T - 1) * (1 + (1 / 10000000000000))) in
  bind (gsc_remainder t) (fun v0 =>
  let q := (up o ((stale + v0) * r) 4) in
  let '(L_G, size, c_G) := spread in
  bind (if finite L_G then if finite q then let t := (Rmin t (up o (L_G * (up o (size + (up o (c_G * q) 4)) 4)) 4)) in
  bind (gsc_remainder t) (fun v0 =>
  let q := (up o ((stale + v0) * r) 4) in
  Some (t, q)) else Some (t, q) else Some (t, q)) (fun '(t, q) =>
  Some (q, r))) else None).

Definition distance_measured (step : R) (c : R) (nu : R) (L : R) (T : R) (spread : R * R * R) : option (R * R) :=
  bind (distance_remainder nu L T spread) (fun v0 =>
  let '(q, r) := v0 in
  let after := (up o (c * q) 4) in
  Some ((Rmin (up o (step + after) 4) (up o (c * r) 4)), after)).

Definition joint_drift (spread : R) (largest : R) (log_tail : R) : R :=
  let x := log_tail in
  (up o (((2 * spread) + (2 * (sqrt (spread * x)))) + (largest * x)) 32).

Definition covariance_drift (eta : R) (dimension : R) (log_tail : R) : option (R) :=
  if Rle_dec (1 / 4) eta then None else let e := (up o (eta / (1 - eta)) 4) in
  let f := (up o (e / (1 - e)) 4) in
  Some (joint_drift (up o ((((1 / 4) * dimension) * f) * f) 4) f log_tail).

Definition delta_from_epsilon (epsilon : R) (mu : R) : R :=
  if Req_EM_T mu 0 then 0 else if finite mu then let x1 := ((epsilon / mu) - (mu / 2)) in
  let x2 := ((epsilon / mu) + (mu / 2)) in
  if Rle_dec 40 x1 then (5 * (5 / 10 ^ 324)) else let root2 := (sqrt 2) in
  let error := ((1 / 100000000000) + (((8 * (/ 2 ^ 52)) * x2) * (1 + (Rabs x1)))) in
  if Rlt_dec error (1 / 1000) then let density := (if Rlt_dec (Rabs x1) 40 then (exp (((- (1 / 2)) * x1) * x1)) else 0) in
  let second := (((1 / 2) * density) * (erfcx (x2 / root2))) in
  let first := (if Rle_dec 0 x1 then (((1 / 2) * density) * (erfcx (x1 / root2))) else (Phi (- x1))) in
  let value := ((first - second) + (error * (first + second))) in
  let peak := (if Rle_dec (mu * mu) (2 * epsilon) then density else 1) in
  let cap := (((mu * peak) / (sqrt (2 * PI))) * (1 + error)) in
  (Rmin ((Rmax (Rmin (Rmin value cap) 1) (5 / 10 ^ 324)) + (4 * (5 / 10 ^ 324))) 1) else 1 else 1.

Definition log_tail (epsilon : R) (delta : R) : R :=
  (up o ((epsilon - (ln delta)) + (ln 1000)) 8).

Definition share (horizon : R) (t : R) : R :=
  (if Rle_dec t horizon then ((9 / 10) / horizon) else ((((1 / 10) * horizon) / t) / (t - 1))).

Definition drift_shares (reserve : R) (log_tail : R) : R * R :=
  let x := log_tail in
  let root := (((1 / 2) * reserve) / ((sqrt x) + (sqrt (x + reserve)))) in
  ((Rmax (down o (root * root) 32) 0), (Rmax (down o (((1 / 2) * reserve) / x) 8) 0)).

Definition calibrate_reserve (drifts : bool) (epsilon : R) (part : R) : R :=
  (if drifts then (Rmin (part * epsilon) part) else 0).

Definition calibrate_left (delta : R) (drifts : bool) (reserve : R) : R :=
  (if drifts then ((((999 / 1000) * delta) * (exp (- reserve))) * (1 - (1 / 1000000000000))) else delta).

Definition calibrate_f (budget_share : R) (dimension : R) (largest : R) (spread : R) : R :=
  (Rmin largest (2 * (sqrt ((spread * budget_share) / dimension)))).

Definition calibrate_cap (f : R) : R :=
  (down o (f / (1 + (2 * f))) 8).

Definition composed_left (delta : R) (room : R) : R :=
  (((499 / 500) * delta) * (exp (- room))).

Definition Promise_advantage_gap (delta : R) (e : R) (epsilon : R) : R :=
  ((tanh ((1 / 2) * epsilon)) + ((2 * delta) / (1 + e))).

Definition soft (v : R) (lam : R) : R :=
  let out := ((sign v) * (Rmax ((Rabs v) - lam) 0)) in
  out.

Definition least_subgradient (gradient : R) (W : R) (lam : R) : R :=
  (if Req_EM_T W 0 then (soft gradient lam) else (gradient + (lam * (sign W)))).

Definition subgradient_within_beyond (allowance : R) (gradient : R) (lam : R) (rounding : R) : R :=
  (Rmax ((((Rabs gradient) + allowance) - lam) + rounding) 0).

Definition subgradient_within_wrong (W : R) (allowance : R) (beyond : R) : R :=
  (if Req_EM_T W 0 then (Rmin allowance beyond) else allowance).

Definition Carryover_step_left (f_theta : R) (removed : R) : R :=
  (((exp (- f_theta)) * (1 - (1 / 1000000000000))) - removed).

Definition Carryover_step_inner (left : R) : R :=
  ((1 + (1 / 1000000000000)) / (sqrt left)).

Definition Carryover_step_T (moved : R) (origin_margin_error : R) : R :=
  ((moved + origin_margin_error) * (1 + (1 / 1000000000000))).

Definition Carryover_step_size (c_gram : R) (geometry_gram_norm : R) (short : R) (unsolved : R) : R :=
  (up o (geometry_gram_norm + (up o (c_gram * (up o (short + unsolved) 4)) 4)) 4).

Definition Carryover_step_return (c : R) (short : R) (unsolved : R) : R :=
  (up o (c * (up o (short + unsolved) 4)) 8).

Definition Carryover_in_gram_left (gram_removed : R) (now_gram_error : R) (now_gram_spread : R) : R :=
  ((1 - gram_removed) - ((2 * now_gram_error) * (now_gram_spread ^ 2))).

Definition Carryover_in_gram_return (left : R) (now_in_gram : R) (wrong : R) : R :=
  (up o ((now_in_gram * (sqrt ((1 + wrong) / left))) * (1 + (1 / 1000000000))) 4).

Definition Carryover_gram_transfer_drift (was_error : R) (was_spread : R) (wrong : R) : R :=
  ((1 + (was_error * (was_spread ^ 2))) / (1 - wrong)).

Definition Carryover_gram_transfer_return (c_gram : R) (drift : R) (gram_added : R) : R :=
  (up o ((sqrt (((c_gram ^ 2) + gram_added) * drift)) * (1 + (1 / 1000000000))) 4).

Definition appended_floor_half (kappa : R) (p : R) (q : R) : R :=
  ((1 / 2) * (((p * p) + (((kappa * kappa) * q) * q)) - (q * q))).

Definition appended_floor_largest (half : R) (kappa : R) (q : R) : R :=
  ((half + (q * q)) + (sqrt (half ^ 2 + ((kappa * q) * q) ^ 2))).

End Code.
