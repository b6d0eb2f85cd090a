(* How the code's real-number reading sees outward rounding: [up x k] never lowers x. What the
   roundings themselves cost is in rounding.v and the Gappa scripts. *)
From Coq Require Import Reals Lra.
Local Open Scope R_scope.

Record outward := {
  up : R -> R -> R;
  down : R -> R -> R;
  above : forall x k, x <= up x k;
  below_ : forall x k, down x k <= x }.

Definition bind {A B} (x : option A) (f : A -> option B) : option B :=
  match x with Some a => f a | None => None end.

(** [lift_up]: to bound [x <= up y k] bound x by y *)
Lemma lift_up (o : outward) x y k : x <= y -> x <= up o y k.
Proof. intros H. apply Rle_trans with (1 := H). apply above. Qed.
