"""Bundles: read without JAX, predict the same, signed so that OpenSSF's tool accepts them."""

import json
import subprocess
import sys

import model_signing
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from certunlearn import (
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedRidge,
    VerificationError,
    load_predictor,
)
from certunlearn._common import plain
from certunlearn.exceptions import StoreDamagedError, StoreError
from certunlearn.store.bundle import verify_bundle, weights_digest, write_bundle
from certunlearn.store.keys import P256

X, Y = load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def model():
    labels = np.array(["benign", "malignant"])[Y]
    return CertifiedLogReg().fit(X, labels).forget([3])


@pytest.fixture
def bundle(model, tmp_path, keys):
    return write_bundle(
        model.export_predictor(), model.certificate_, tmp_path / "bundle", keys / P256
    )


def test_what_is_read_predicts_the_same(model, bundle, keys):
    read = load_predictor(bundle, key=keys / f"{P256}.pub")
    assert type(read) is LogisticRegression
    assert (read.predict(X) == model.predict(X)).all()
    assert np.array_equal(read.predict_proba(X), model.export_predictor().predict_proba(X))
    assert read.certificate_ == model.certificate_.public()
    assert read.certificate_.matches(read)


@pytest.mark.parametrize("kind", [CertifiedRidge, CertifiedMinNorm])
def test_every_kind(kind, tmp_path):
    inner = np.random.default_rng(0).normal(size=(30, 60 if kind is CertifiedMinNorm else 4))
    model = kind().fit(inner, inner[:, 0])
    write_bundle(model.export_predictor(), model.certificate_, tmp_path / "b")
    assert np.array_equal(load_predictor(tmp_path / "b").predict(inner), model.predict(inner))


def test_a_pipeline_with_columns_of_texts(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:60, 0], "b": ["u", "v", "w"] * 20})
    columns = [("a", StandardScaler(), ["a"]), ("b", OneHotEncoder(), ["b"])]
    pipe = make_pipeline(ColumnTransformer(columns), LogisticRegression()).fit(frame, Y[:60])
    write_bundle(pipe, None, tmp_path / "b")
    read = load_predictor(tmp_path / "b")
    assert np.array_equal(read.predict_proba(frame), pipe.predict_proba(frame))
    assert read.certificate_ is None


def test_no_jax_is_loaded(bundle):
    code = (
        "import sys, certunlearn; certunlearn.load_predictor(sys.argv[1]); "
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(bundle)]).returncode == 0


def test_the_tool_of_openssf_accepts_it_and_refuses_an_edited_one(bundle, keys):
    def verify():
        ignored = model_signing.hashing.Config().set_ignored_paths(
            paths=[bundle / "model.sig"], ignore_git_paths=False
        )
        config = model_signing.verifying.Config().use_elliptic_key_verifier(
            public_key=keys / f"{P256}.pub"
        )
        config.set_hashing_config(ignored).verify(bundle, bundle / "model.sig")

    verify()
    rest = bundle / "predictor.json"
    said = json.loads(rest.read_text())
    said["certificate"]["epsilon"] = 0.1
    rest.write_text(json.dumps(said))
    with pytest.raises(ValueError, match="[Mm]ismatch"):
        verify()
    with pytest.raises(VerificationError, match="predictor.json"):
        load_predictor(bundle, key=keys / f"{P256}.pub")
    with pytest.raises(StoreDamagedError, match="epsilon"):
        load_predictor(bundle)


def test_changed_bundles_are_refused(bundle, model, tmp_path, keys):
    arrays, public = bundle / "model.safetensors", keys / f"{P256}.pub"
    good = arrays.read_bytes()
    arrays.write_bytes(good[:-8] + np.float64(7).tobytes())
    with pytest.raises(StoreDamagedError, match="not as it was written"):
        load_predictor(bundle)
    with pytest.raises(VerificationError, match="not as it was signed: model.safetensors"):
        verify_bundle(bundle, public)
    arrays.write_bytes(good[:20])
    with pytest.raises(StoreDamagedError, match="not as it was written"):
        load_predictor(bundle)
    arrays.write_bytes(good)
    (bundle / "more").write_text("x")
    with pytest.raises(VerificationError, match="more"):
        verify_bundle(bundle, public)
    (bundle / "more").unlink()
    verify_bundle(bundle, public)
    (bundle / "model.sig").unlink()
    with pytest.raises(VerificationError, match="is not signed"):
        load_predictor(bundle, key=public)
    with pytest.raises(StoreError, match="is there already"):
        write_bundle(model.export_predictor(), None, bundle)
    with pytest.raises(StoreError, match="P-256"):
        write_bundle(model.export_predictor(), None, tmp_path / "c", keys / "ed25519")
    with pytest.raises(StoreError, match="is no bundle"):
        load_predictor(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle"]


def test_files_that_are_no_json_of_a_bundle(bundle, keys):
    deep = "[" * 100_000
    (bundle / "model.sig").write_text(deep)
    with pytest.raises(VerificationError, match="no signature of a model"):
        verify_bundle(bundle, keys / f"{P256}.pub")
    for read in load_predictor, weights_digest:
        (bundle / "predictor.json").write_text(deep)
        with pytest.raises(StoreDamagedError, match="nested too deeply"):
            read(bundle)
        (bundle / "predictor.json").write_text("[]")
        with pytest.raises(StoreError, match="is no bundle"):
            read(bundle)


def test_a_certificate_of_other_weights_is_refused(model, tmp_path):
    other = CertifiedLogReg().fit(X, Y).export_predictor()
    write_bundle(other, model.certificate_, tmp_path / "b")
    with pytest.raises(StoreDamagedError, match="weights are not those"):
        load_predictor(tmp_path / "b")


@pytest.mark.parametrize(
    "name", ["os:system", "sklearn.base:clone", "sklearn.utils._tags:Tags", "subprocess:Popen"]
)
def test_nothing_that_is_read_is_run(bundle, name):
    """Not even where whoever changed the file has mended its digest."""
    rest = bundle / "predictor.json"
    text = rest.read_text().replace("sklearn.linear_model._logistic:LogisticRegression", name)
    said = json.loads(text)
    said["predictor"]["sha256"] = plain._digest(said["predictor"])
    assert text != rest.read_text()
    rest.write_text(json.dumps(said))
    with pytest.raises(StoreDamagedError, match="no class"):
        load_predictor(bundle)
    rest.write_text(json.dumps(said | {"predictor": [1]}))
    with pytest.raises(StoreDamagedError, match="not as it was written"):
        load_predictor(bundle)


def test_what_cannot_be_written_is_refused_by_name(tmp_path):
    pipe = make_pipeline(FunctionTransformer(lambda x: x / 1e3), LogisticRegression()).fit(X, Y)
    with pytest.raises(StoreError, match="steps.0.1.func is a .*function.*leave the step out"):
        write_bundle(pipe, None, tmp_path / "b")
    forest = RandomForestClassifier(2).fit(X[:60], Y[:60])
    with pytest.raises(StoreError, match="Tree"):
        write_bundle(forest, None, tmp_path / "b")
    assert not list(tmp_path.iterdir())
