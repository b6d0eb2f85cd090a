"""Where the certified classes deviate from scikit-learn's own tests, and why.

A deviation is a test, or a pattern of names of tests with their parameters.  Each of them fails,
and nothing else does.
"""

import sklearn
from sklearn.utils.fixes import parse_version

SUITES = {
    "test_logistic": "linear_model/tests/test_logistic.py",
    "test_ridge": "linear_model/tests/test_ridge.py",
    "test_glm": "linear_model/_glm/tests/test_glm.py",
    "test_coordinate_descent": "linear_model/tests/test_coordinate_descent.py",
    "test_huber": "linear_model/tests/test_huber.py",
    "test_svm": "svm/tests/test_svm.py",
}

#: Parameters that there are not; a test that sets them goes no further.
ABSENT = {
    "dual": "liblinear's; the optimum is the same one, found in the primal",
    "warm_start": "a fit starts afresh, as what it starts from might be what was forgotten",
    "intercept_scaling": "liblinear's penalty on the intercept, which is free here",
    "pure L1": "not strongly convex: nothing bounds the distance to an optimum, so it is refused",
    "positive": "an optimum on the border of a cone moves with no bound that is proved here",
    "alpha of each target": "targets share one Gram matrix, hence one penalty",
    "penalty": "liblinear's L1 penalty of support vector machines: not strongly convex",
    "multi_class": "Crammer and Singer's loss has kinks that are not smoothed here",
}

UNDETERMINED = (
    "the optimum is not unique there: scikit-learn takes one of least norm, here it is refused"
)
ERROR = "running out of steps is an error here, as nothing can be claimed, and no warning"
CONSTRAINTS = "about names and values of parameters that the certified class does not have"
DOUBLE = "releases are float64 whatever the features are"
DENSE = "an L1 penalty takes no sparse features"
PRIVATE = "about a private attribute, or one that shows the state of scikit-learn's solver"
SEPARABLE = "the classes are separable, so without a penalty there is no optimum: refused by name"
STEPS = "counts iterations of a warm start; Newton steps are other and fewer"
FALLBACK = "about warnings of solvers that fall back; here the fit ends or is refused"
OTHER_LOSS = "about the scale that Huber's loss estimates along; the smooth one here has scale 1"
CALLBACKS = "scikit-learn's experimental callbacks, in whose place there is progress="
NAMES = "about the wording of an error, which names other parameters here"

#: Tests that scikit-learn 1.6 has, or had in another form.
UNTIL_1_6 = {
    "test_glm": [
        (
            r"test_glm_sample_weight_consistency\[\w*-1.0-False\]",
            "compares two fits to 1e-12, and without noise they come to 1e-9 of the optimum",
        ),
    ],
    "test_coordinate_descent": [
        (
            r"test_model_pipeline_same_dense_and_sparse\[\w*-RidgeClassifier-\w*\]",
            "labels of a single class are refused by every classifier here",
        ),
        (r"test_model_pipeline_same_dense_and_sparse\[\w*-ElasticNet-\w*\]", DENSE),
        ("test_overrided_gram_matrix", CONSTRAINTS),
        ("test_sparse_input_convergence_warning", ERROR),
        (r"test_enet_alpha_max_sample_weight\[.*-True\]", DENSE),
    ],
}

DEVIATIONS = {
    "test_logistic": [
        ("test_check_solver_option", CONSTRAINTS),
        ("test_elasticnet_l1_ratio_err_helpful", CONSTRAINTS),
        ("test_sparsify", "a release has no zeros; the exported predictor can be made sparse"),
        (
            "test_multinomial_logistic_regression_string_inputs",
            "it gives a class the weight 0: refused, as its rows would not be in the training set",
        ),
        ("test_logreg_predict_proba_multinomial", PRIVATE),
        ("test_max_iter", ERROR),
        ("test_warm_start", STEPS),
        ("test_warm_start_newton_solver", STEPS),
        ("test_dtype_match", DOUBLE),
        ("test_l1_ratio_non_elasticnet", CONSTRAINTS),
        ("test_penalty_none", CONSTRAINTS),
        ("test_c_inf_no_warning", SEPARABLE),
        ("test_liblinear_with_large_values", SEPARABLE),
        ("test_zero_max_iter", "a fit of no step is refused: nothing could be claimed"),
        ("test_newton_cholesky_fallback_to_lbfgs", UNDETERMINED),
        ("test_liblinear_multiclass_raises", CONSTRAINTS),
        ("test_penalty_deprecated", CONSTRAINTS),
        ("test_l1_ratio_None_deprecated", CONSTRAINTS),
        ("test_logisticregression_warns_with_n_jobs", CONSTRAINTS),
        ("test_lr_penalty_l1ratio_incompatible", CONSTRAINTS),
        ("test_logistic_regression_callback_.*", CALLBACKS),
    ],
    "test_ridge": [
        (r"test_ridge_regression_unpenalized(_vstacked_X)?\[.*wide.*\]", UNDETERMINED),
        ("test_ridge_regression_unpenalized_hstacked_X", UNDETERMINED),
        (r"test_regularization_limits_ridge\[asarray-wide-.*-cholesky-zero_alpha\]", UNDETERMINED),
        ("test_n_iter", "all targets take the same Newton steps, so there is one number of them"),
        ("test_ridge_fit_intercept_sparse_error", CONSTRAINTS),
        ("test_ridge_fit_intercept_sparse_sag", FALLBACK),
        ("test_dtype_match", DOUBLE),
        ("test_ridgeclassifier_multilabel", "labels are one column: several are not offered"),
        ("test_lbfgs_solver_error", FALLBACK),
    ],
    "test_glm": [
        (r"test_glm_regression_unpenalized(_vstacked_X)?\[.*wide.*\]", UNDETERMINED),
        ("test_glm_regression_unpenalized_hstacked_X", UNDETERMINED),
        ("test_warm_start", ERROR),
        ("test_linalg_warning_with_newton_solver", UNDETERMINED),
    ],
    "test_coordinate_descent": [
        ("test_enet_nonfinite_params", NAMES),
        ("test_enet_multitarget", PRIVATE),
        ("test_elasticnet_precompute_incorrect_gram", CONSTRAINTS),
        ("test_warm_start_convergence", STEPS),
        ("test_warm_start_convergence_with_regularizer_decrement", STEPS),
        ("test_random_descent", DENSE),
        ("test_check_input_false", "features are always checked: unchecked ones prove nothing"),
        ("test_enet_copy_X_False_check_input_False", "the caller's memory is never written to"),
        ("test_overridden_gram_matrix", CONSTRAINTS),
        ("test_enet_float_precision", DOUBLE),
        (r"test_enet_sample_weight_consistency\[42-csr_\w*-\w*-0.01-\w*(-ElasticNet)?\]", DENSE),
    ],
    "test_huber": [
        ("test_huber_max_iter", ERROR),
        ("test_huber_sparse", OTHER_LOSS),
        ("test_huber_scaling_invariant", OTHER_LOSS),
        ("test_huber_and_sgd_same_results", OTHER_LOSS),
        ("test_huber_better_r2_score", OTHER_LOSS),
    ],
    "test_svm": [
        (r"test_linearsvc_parameters\[.*False-l2-hinge\]", CONSTRAINTS),
        ("test_linear_svm_convergence_warnings", ERROR),
    ],
}
if parse_version(sklearn.__version__) < parse_version("1.7"):
    for suite, listed in UNTIL_1_6.items():
        DEVIATIONS[suite] += listed
