# covariance_drift: up(0.25 * dimension * f * f)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
dimension = d(dimension_);
f = d(f_);
result d= (((0x1.0000000000000p-2 * dimension) * f) * f);
e_result = (((0x1.0000000000000p-2 * dimension) * f) * f);
{ dimension in [1, 1b60] /\ f in [1b-300, 0.6]
  -> result -/ e_result in [-5b-54, 5b-54] }
