# gamma: up(nu / (1.0 - nu))
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
nu = d(nu_);
result d= (nu / (1 - nu));
e_result = (nu / (1 - nu));
{ nu in [1b-53, 0.5]
  -> result -/ e_result in [-5b-54, 5b-54] }
