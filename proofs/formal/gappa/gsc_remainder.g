# gsc_remainder: up(t / 2 + t * t / 6 + t ** 3 / 24 + t ** 4 / 120 + t ** 5 / 700)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
t = d(t_);
t3 = d(t3_);
t4 = d(t4_);
t5 = d(t5_);
result d= (((((t / 2) + ((t * t) / 6)) + (t3 / 24)) + (t4 / 120)) + (t5 / 700));
e_result = (((((t / 2) + ((t * t) / 6)) + (e_t3 / 24)) + (e_t4 / 120)) + (e_t5 / 700));
{ t in [1b-200, 0.01] /\ e_t3 in [1b-601, 1e-6] /\ e_t4 in [1b-801, 1e-8] /\ e_t5 in [1b-1001, 1e-10] /\ t3 -/ e_t3 in [-2b-53, 2b-53] /\ t4 -/ e_t4 in [-2b-53, 2b-53] /\ t5 -/ e_t5 in [-2b-53, 2b-53]
  -> result -/ e_result in [-29b-54, 29b-54] }
