"""Classes of scikit-learn that a pipeline can forget through, and why not through the others.

Classes are compared by identity: a subclass may fit whatever it likes.
"""

from __future__ import annotations

from sklearn.cluster import (
    Birch,
    BisectingKMeans,
    FeatureAgglomeration,
    KMeans,
    MiniBatchKMeans,
)
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.decomposition import (
    NMF,
    PCA,
    DictionaryLearning,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    KernelPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
    MiniBatchSparsePCA,
    SparseCoder,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.neighbors import (
    KNeighborsTransformer,
    NeighborhoodComponentsAnalysis,
    RadiusNeighborsTransformer,
)
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    KernelCenterer,
    LabelBinarizer,
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    MultiLabelBinarizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

#: What they hold does not depend on the rows, and a row is transformed by itself.
STATELESS: tuple[type, ...] = (
    Binarizer,
    FeatureHasher,
    FunctionTransformer,
    HashingVectorizer,
    Normalizer,
    PolynomialFeatures,
)
#: Whether the fit draws at random depends on parameters and the shape of the rows.
SOMETIMES: tuple[type, ...] = (
    Isomap,
    KBinsDiscretizer,
    KernelPCA,
    LocallyLinearEmbedding,
    PCA,
    QuantileTransformer,
)
#: The fit draws at random, or may for some rows.
DRAWING: tuple[type, ...] = (
    BernoulliRBM,
    BisectingKMeans,
    DictionaryLearning,
    FactorAnalysis,
    FastICA,
    GaussianRandomProjection,
    KMeans,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchKMeans,
    MiniBatchNMF,
    MiniBatchSparsePCA,
    NMF,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    RandomTreesEmbedding,
    SkewedChi2Sampler,
    SparsePCA,
    SparseRandomProjection,
    TruncatedSVD,
)
#: The fit looks at labels.
SUPERVISED: tuple[type, ...] = (
    GenericUnivariateSelect,
    LinearDiscriminantAnalysis,
    NeighborhoodComponentsAnalysis,
    RFE,
    RFECV,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    TargetEncoder,
)
#: What such a fit draws on beside its own parameters: a function, an estimator, folds.
SELECTING: tuple[type, ...] = (RFE, RFECV, SelectFromModel, SequentialFeatureSelector)
RECOUNTED: tuple[type, ...] = (
    *SOMETIMES,
    *DRAWING,
    *SUPERVISED,
    AdditiveChi2Sampler,
    Birch,
    CountVectorizer,
    DictVectorizer,
    FeatureAgglomeration,
    IncrementalPCA,
    KNNImputer,
    KNeighborsTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    MissingIndicator,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    RadiusNeighborsTransformer,
    RobustScaler,
    SimpleImputer,
    SparseCoder,
    SplineTransformer,
    StandardScaler,
    TfidfTransformer,
    TfidfVectorizer,
    VarianceThreshold,
)
COMPOSED: tuple[type, ...] = (ColumnTransformer, FeatureUnion, Pipeline)
TEXT: tuple[type, ...] = (CountVectorizer, HashingVectorizer, TfidfVectorizer)
#: Models that columns may be selected by, fitted with the step and thrown away or kept in it.
ADVISERS: tuple[type, ...] = (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ElasticNet,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    Lasso,
    LinearRegression,
    LinearSVC,
    LinearSVR,
    LogisticRegression,
    RandomForestClassifier,
    RandomForestRegressor,
    Ridge,
    RidgeClassifier,
)
#: Transformers of scikit-learn that rows are not forgotten through, and why.
REFUSED: dict[type, str] = {
    **dict.fromkeys(
        (LabelBinarizer, LabelEncoder, MultiLabelBinarizer), "it transforms labels, not rows"
    ),
    **dict.fromkeys(
        (CCA, PLSCanonical, PLSRegression, PLSSVD),
        "its fit_transform gives two tables, one of the labels",
    ),
    **dict.fromkeys(
        (StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor),
        "its columns are what whole models predict of the rows they were fitted on",
    ),
    IsotonicRegression: "it gives one number a row, not a table",
    KernelCenterer: "its columns are rows too, which would have to be taken out of every other row",
    PatchExtractor: "it makes several rows of one",
}
