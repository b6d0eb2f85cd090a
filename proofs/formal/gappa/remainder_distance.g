# distance_remainder: up(half * r_H)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
half = d(half_);
r_H = d(r_H_);
result d= (half * r_H);
e_result = (half * r_H);
{ half in [1, 1b80] /\ r_H in [1b-400, 1b400]
  -> result -/ e_result in [-5b-54, 5b-54] }
