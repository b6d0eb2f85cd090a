# covariance_drift: up(e / (1.0 - e))
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
e = d(e_);
result d= (e / (1 - e));
e_result = (e / (1 - e));
{ e in [1b-400, 0.34]
  -> result -/ e_result in [-5b-54, 5b-54] }
