# distance_from_decrement: up(nu * L)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
nu = d(nu_);
L = d(L_);
result d= (nu * L);
e_result = (nu * L);
{ nu in [1b-400, 1b400] /\ L in [1b-400, 1b400]
  -> result -/ e_result in [-5b-54, 5b-54] }
