# distance_from_decrement: up(t / L)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
t = d(t_);
L = d(L_);
result d= (t / L);
e_result = (t / L);
{ t in [1b-400, 1b400] /\ L in [1b-400, 1b400]
  -> result -/ e_result in [-5b-54, 5b-54] }
