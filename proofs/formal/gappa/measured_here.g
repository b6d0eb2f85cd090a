# distance_measured: up(step + after)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
step = d(step_);
after = d(after_);
result d= (step + after);
e_result = (step + after);
{ step in [1b-400, 1b400] /\ after in [1b-400, 1b400]
  -> result -/ e_result in [-5b-54, 5b-54] }
