# distance_remainder: up((stale + gsc_remainder(t)) * r)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
stale = d(stale_);
remainder = d(remainder_);
r = d(r_);
result d= ((stale + remainder) * r);
e_result = ((stale + remainder) * r);
{ stale in [1b-400, 1b200] /\ remainder in [1b-400, 1b200] /\ r in [1b-400, 1b400]
  -> result -/ e_result in [-5b-54, 5b-54] }
