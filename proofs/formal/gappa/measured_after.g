# distance_measured: up(c * q)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
c = d(c_);
q = d(q_);
result d= (c * q);
e_result = (c * q);
{ c in [1b-400, 1b400] /\ q in [1b-400, 1b400]
  -> result -/ e_result in [-5b-54, 5b-54] }
