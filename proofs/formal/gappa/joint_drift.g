# joint_drift: up(2.0 * spread + 2.0 * math.sqrt(spread * x) + largest * x)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
spread = d(spread_);
x = d(x_);
largest = d(largest_);
result d= (((2 * spread) + (2 * sqrt((spread * x)))) + (largest * x));
e_result = (((2 * spread) + (2 * sqrt((spread * x)))) + (largest * x));
{ spread in [1b-300, 1b60] /\ largest in [1b-300, 1] /\ x in [0.5, 1b20]
  -> result -/ e_result in [-61b-54, 61b-54] }
