# covariance_drift: up(eta / (1.0 - eta))
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
eta = d(eta_);
result d= (eta / (1 - eta));
e_result = (eta / (1 - eta));
{ eta in [1b-400, 0.25]
  -> result -/ e_result in [-5b-54, 5b-54] }
