# distance_from_decrement: up(nu * grown)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
product = d(product_);
nu = d(nu_);
grown d= (1 + (product * (0x1.0000000000000p-1 + product)));
e_grown = (1 + (product * (0x1.0000000000000p-1 + product)));
result d= (nu * grown);
e_result = (nu * e_grown);
{ nu in [1b-400, 1b400] /\ product in [1b-900, 1e-8]
  -> result -/ e_result in [-13b-54, 13b-54] }
