# distance_remainder: up(nu * half)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
nu = d(nu_);
half = d(half_);
result d= (nu * half);
e_result = (nu * half);
{ nu in [1b-400, 1b400] /\ half in [1, 1b80]
  -> result -/ e_result in [-5b-54, 5b-54] }
