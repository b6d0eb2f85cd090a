# certunlearn/bounds.py::covariance_drift: up(dimension * e * e / (2.0 * (1.0 - e)) + f * (math.sqrt(dimension * x) + x))
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
dimension = d(dimension_);
e = d(e_);
f = d(f_);
x = d(x_);
result d= ((((dimension * e) * e) / (2 * (1 - e))) + (f * (sqrt((dimension * x)) + x)));
e_result = ((((dimension * e) * e) / (2 * (1 - e))) + (f * (sqrt((dimension * e_x)) + e_x)));
{ dimension in [1, 1b60] /\ e in [1b-400, 0.34] /\ f in [1b-400, 0.6] /\ e_x in [0.5, 1000] /\ x -/ e_x in [-4b-53, 4b-53]
  -> result -/ e_result in [-61b-54, 61b-54] }
