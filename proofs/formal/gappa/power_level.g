# Promise._from_epsilon: up(math.exp(self.epsilon) * a + self.delta)
# written by bridge.py: do not edit
@d = float<ieee_64, ne>;
exp_epsilon = d(exp_epsilon_);
a = d(a_);
delta = d(delta_);
result d= ((exp_epsilon * a) + delta);
e_result = ((e_exp_epsilon * a) + delta);
{ e_exp_epsilon in [1, 1b1011] /\ a in [1b-300, 1] /\ delta in [1b-300, 1] /\ exp_epsilon -/ e_exp_epsilon in [-2b-53, 2b-53]
  -> result -/ e_result in [-13b-54, 13b-54] }
