"""Commands on a directory: JSON, exit statuses, dry runs, and no traceback for a mistake."""

import json
import os
import shutil

import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.cli import fitting, told
from certunlearn.cli.main import main
from certunlearn.store import ModelStore
from tests.operations.test_certificate_page import browser  # noqa: F401


@pytest.fixture(scope="module")
def kept(tmp_path_factory, tables):
    """A directory that tests copy."""
    folder = tmp_path_factory.mktemp("kept") / "model"
    command = ["fit", str(tables / "people.csv"), "--target", "ill", "--ids", "person"]
    command += ["--groups", "ward", "--metadata", "f5", "--set", "epsilon=2.0"]
    assert main([*command, "--store", str(folder)]) == 0
    return folder


@pytest.fixture
def model(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def answer(capsys):
    def ask(*command, status=0):
        capsys.readouterr()
        assert main([str(part) for part in command] + ["--json"]) == status
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return json.loads(said.out)

    return ask


def test_status_says_what_it_should(model, answer):
    status = answer("status", model)
    wanted = {"estimator", "n_retained", "n_forgotten", "epsilon", "delta", "joint_epsilon"}
    assert wanted | {"releases", "requests", "head"} <= set(status)
    assert status["estimator"] == "CertifiedLogReg" and status["epsilon"] == 2.0
    assert set(status["head"]) == {"size", "root"} and status["n_retained"] == 500
    answer("request", "add", model, "--group", "3", "--reference", "a", "--days", "0")
    (request,) = answer("status", model)["requests"]
    assert set(request) >= {"reference", "state", "rows", "asked", "due", "done"}
    assert request["state"] == "overdue" and request["reference"] == "a"


def test_dry_runs_change_nothing(model, tables, answer):
    before = answer("status", model)
    rows = answer("forget", model, "--group", "3", "--dry-run")
    assert rows["dry_run"] and rows["rows"] == 5
    answer("request", "add", model, "--id", "p001", "--reference", "a", "--dry-run")
    assert answer("request", "run", model, "--dry-run")["requests"] == []
    more = "--target", "ill", "--ids", "person"
    table = tables / "more.csv"
    assert answer("learn", model, table, *more, "--groups", "ward", "--dry-run")["rows"] == 69
    assert answer("correct", model, table, *more, "--dry-run")["rows"] == 69
    assert answer("status", model) == before


def test_rows_are_named_in_every_way(model, tmp_path, answer):
    (tmp_path / "ids").write_text("p001\np002\n")
    assert answer("forget", model, "--ids", tmp_path / "ids", "--id", "p003")["rows"] == 3
    assert answer("forget", model, "--row", "10")["rows"] == 1
    assert answer("forget", model, "--group", "7", "--group", "8")["rows"] == 10
    assert answer("forget", model, "--where", "f5 > 0.25")["rows"] > 0


def test_corrections_releases_and_predictions(model, tables, tmp_path, answer, capsys):
    import pandas

    frame = pandas.read_csv(tables / "people.csv")[:3]
    frame["f0"] += 1
    frame.to_csv(tmp_path / "right.csv", index=False)
    right = tmp_path / "right.csv"
    before = answer("status", model)["weights"]
    after = answer("correct", model, right, "--ids", "person", "--target", "ill")
    assert after["weights"] != before and after["n_retained"] == 500
    assert answer("release", model, "--receiver", "ward 7")["exports"][0]["receiver"] == "ward 7"
    assert len(answer("predict", model, right)) == 3
    assert answer("certificate", model)["event"] == "release"
    for format in "text", "html":
        assert main(["certificate", model, "--format", format]) == 0
        assert "Certificate of a release" in capsys.readouterr().out


#: What is typed after the name of the command, its status and what is said.
MISTAKES = {
    "unknown": (["forget", "DIR", "--id", "nobody"], told.MISTAKEN, "no row was fitted"),
    "two ways": (["forget", "DIR", "--id", "p001", "--row", "3"], told.MISTAKEN, "in one way"),
    "no rows": (["forget", "DIR"], told.MISTAKEN, "in one way"),
    "empty file": (["forget", "DIR", "--ids", os.devnull], told.MISTAKEN, "names no row"),
    "no store": (["status", "nowhere"], told.MISTAKEN, "no model at nowhere"),
    "no file": (["learn", "DIR", "none.csv"], told.MISTAKEN, "none.csv"),
    "much": (["forget", "DIR", "--where", "f5 < 1"], told.MISTAKEN, "every row"),
    "most": (["forget", "DIR", "--where", "f5 < 0.15"], told.UNCONFIRMED, "--confirm"),
    "no case": (["request", "withdraw", "DIR", "--reference", "a"], told.MISTAKEN, "no request"),
    "no receipt": (
        ["receipt", "DIR", "--reference", "a", "-o", "r.json", "--key", "k"],
        told.MISTAKEN,
        "no request with reference",
    ),
    "no page": (["report", "nowhere"], told.MISTAKEN, "nowhere"),
    "no receipt file": (["verify", "none.json", "--key", "k"], told.MISTAKEN, "none.json"),
    "bad query": (["forget", "DIR", "--where", "f5 >"], told.MISTAKEN, "where"),
    "bad time": (["forget", "DIR", "--id", "p001", "--received", "x"], told.MISTAKEN, "isoformat"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, model, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command, status, said = MISTAKES[name]
    assert main([model if part == "DIR" else part for part in command]) == status
    found = capsys.readouterr()
    assert said in found.err and found.err.startswith("certunlearn ") and not found.out
    with ModelStore.open(model) as store:
        assert store.status()["n_retained"] == 500


def test_what_is_locked_damaged_or_refused(model, capsys, monkeypatch):
    with ModelStore.open(model, "w"):
        assert main(["forget", model, "--id", "p001"]) == told.BUSY

    def refuse(*args, **kwargs):
        from certunlearn import NotCertifiedError

        raise NotCertifiedError("too far")

    with monkeypatch.context() as patched:
        patched.setattr(CertifiedLogReg, "forget", refuse)
        assert main(["forget", model, "--id", "p001", "--reference", "a"]) == told.REFUSED
    with open(f"{model}/ledger.sqlite", "r+b") as file:
        file.seek(5000)
        file.write(b"xxxx")
    assert main(["status", model]) == told.DAMAGED
    assert "restore it from a backup" in capsys.readouterr().err


def test_a_receipt_that_was_changed(model, tmp_path, answer, keys):
    answer("forget", model, "--id", "p001", "--reference", "a")
    answer("head", model, "--key", keys / "ed25519")
    path = tmp_path / "receipt.json"
    envelope = answer("receipt", model, "--reference", "a", "--key", keys / "ed25519", "-o", path)
    public = keys / "ed25519.pub"
    seen = answer("verify", path, "--key", public, "--store", model)
    assert seen["verified"] and "store" in seen["checks"]
    owner = "verify", path, "--key", public, "--store", model
    assert answer(*owner, "--id", "p001")["verified"]
    assert "still in" in answer(*owner, "--id", "p002", status=told.UNVERIFIED)["error"]
    assert "replay" in answer(*owner, "--replay")["checks"]
    for owners in (["--id", "p001"], ["--replay"]):
        error = answer("verify", path, "--key", public, *owners, status=told.MISTAKEN)["error"]
        assert "only the owner" in error
    path.write_text(json.dumps(envelope | {"payload": "AAAA"}))
    assert answer("verify", path, "--key", public, status=told.UNVERIFIED)["status"] == 7
    answer("verify", path, "--key", keys / "none", status=told.MISTAKEN)
    path.write_text("[" * 100_000)
    assert "nested" in answer("verify", path, "--key", public, status=told.MISTAKEN)["error"]


def test_a_prediction_reads_the_predictor_once(model, tables, answer, monkeypatch):
    read, seen = ModelStore._part, []

    def counted(self, manifest, part):
        seen.append(part)
        return read(self, manifest, part)

    monkeypatch.setattr(ModelStore, "_part", counted)
    assert len(answer("predict", model, tables / "more.csv")) == 69
    assert seen == ["predictor/"]


def test_forgotten_identifiers_that_are_not_recognised(model, tables, tmp_path, answer):
    command = ["fit", tables / "people.csv", "--target", "ill", "--ids", "person", "--groups"]
    command += ["ward", "--unrecognised", "--store", tmp_path / "new"]
    assert answer(*command)["recognises"] is False
    for where in tmp_path / "new", model:
        answer("forget", where, "--id", "p001")
    again = answer("forget", model, "--id", "p001", status=told.MISTAKEN)["error"]
    assert "already forgotten" in again
    assert answer("unrecognise", model)["recognises"] is False
    for where in tmp_path / "new", model:
        again = answer("forget", where, "--id", "p001", status=told.MISTAKEN)["error"]
        assert "no row was fitted" in again


def test_releases_are_audited(tables, tmp_path, answer, capsys):
    command = ["fit", tables / "people.csv", "--target", "ill", "--ids", "person"]
    where = str(tmp_path / "new")
    assert answer(*command, "--audit-rate", "1", "--store", where)["self_audit"]["looks"] == 0
    answer("forget", where, "--id", "p001")
    found = answer("status", where)["self_audit"]
    assert found["looks"] == 1 and found["passed"] and found["true_over_certified"] <= 1
    assert main(["status", where]) == 0
    said = capsys.readouterr().out
    assert "the claims hold so far: 1 of 1 releases solved for exactly" in said
    answer(*command, "--audit-rate", "2", "--store", tmp_path / "b", status=told.MISTAKEN)


def test_other_tables(tables, tmp_path, answer):
    import pandas
    import polars

    frame = pandas.read_csv(tables / "more.csv")
    polars.DataFrame(frame.to_dict("list")).write_parquet(tmp_path / "a.parquet")
    names = frame.person.to_numpy(dtype=str)
    np.savez(tmp_path / "a.npz", X=frame.iloc[:, :6].to_numpy(), y=frame["f0"], row_ids=names)
    for file, more in (
        ("a.parquet", ["--target", "f0", "--ids", "person", "--metadata", "ward"]),
        ("a.npz", []),
    ):
        where = tmp_path / f"{file}.store"
        command = ["fit", tmp_path / file, *more, "--estimator", "ridge", "--store", where]
        assert answer(*command)["estimator"] == "CertifiedRidge"
        assert answer("forget", where, "--id", "p501")["rows"] == 1
        answer("fit", tmp_path / file, "--store", where, status=told.MISTAKEN)
    for broken in (b"", b"text", (tmp_path / "a.npz").read_bytes()[:99]):
        (tmp_path / "b.npz").write_bytes(broken)
        answer("fit", tmp_path / "b.npz", "--store", tmp_path / "new", status=told.MISTAKEN)
    for more, file in (["--set", "C"], "a.npz"), (["--set", "D=1"], "a.npz"), ([], "a.parquet"):
        command = ["fit", tmp_path / file, *more, "--store", tmp_path / "new"]
        answer(*command, status=told.MISTAKEN)
    assert not (tmp_path / "new").exists()


def test_words_are_left_as_they_are_and_times_cut_to_minutes(model, tmp_path, answer, capsys):
    reference = "Ticket-1 of The Town, which is a long name of a request that has a T in it"
    answer("forget", model, "--id", "p001", "--reference", reference)
    page = tmp_path / "page.html"
    assert main(["report", model, "-o", str(page)]) == 0
    text = page.read_text()
    assert reference in text and "1 request was carried out, 0 wait." in text
    (request,) = answer("status", model)["requests"]
    assert request["done"][:16].replace("T", " ") + "+00:00" in text
    assert request["done"][16:26] not in text
    assert main(["status", model]) == 0
    assert reference in capsys.readouterr().out


def test_pages_are_answered_as_json(model, tmp_path, answer):
    page = tmp_path / "page.html"
    assert answer("report", model, "-o", page) == {"page": str(page)}
    assert answer("report", model, "--format", "markdown")["page"].startswith("# ")
    said = answer("certificate", model)
    (tmp_path / "c.json").write_text(json.dumps(said))
    assert "Certificate of a fit" in answer("report", tmp_path / "c.json")["page"]
    (tmp_path / "c.json").write_text("{}")
    error = answer("report", tmp_path / "c.json", status=told.MISTAKEN)["error"]
    assert error.startswith(str(tmp_path / "c.json"))


def test_a_signed_receipt_is_set_as_a_page(model, tmp_path, answer, keys):
    answer("request", "add", model, "--id", "p001", "--reference", "again")
    answer("forget", model, "--id", "p001", "--reference", "case 12", "--days", "10")
    answer("request", "run", model)
    path = tmp_path / "receipt.json"
    for reference, said in (
        ("case 12", "Rows were removed for request case 12"),
        ("again", "Not for this request"),
    ):
        command = "receipt", model, "--reference", reference, "-o", path
        envelope = answer(*command, "--key", keys / "ed25519")
        page = answer("report", path, "--format", "markdown", "--who", "the clinic")["page"]
        assert said in page and "in time" in page and "the clinic" in page
        assert "not checked by this page: certunlearn verify" in page
    error = answer("report", path, "--request", "b", status=told.MISTAKEN)["error"]
    assert "the receipt says request itself" in error
    for odd in {"payload": "e30="}, envelope | {"payload": "e30="}:
        path.write_text(json.dumps(odd))
        error = answer("report", path, status=told.MISTAKEN)["error"]
        assert "not a signed receipt of a removal" in error


def test_learning_takes_the_columns_of_the_fit(model, tables, tmp_path, answer):
    import pandas

    assert answer("learn", model, tables / "more.csv")["n_retained"] == 569
    frame = pandas.read_csv(tables / "more.csv")
    frame.assign(person=frame.person + "x").rename(columns={"ill": "other"}).to_csv(
        tmp_path / "b.csv", index=False
    )
    error = answer("learn", model, tmp_path / "b.csv", status=told.MISTAKEN)["error"]
    assert "no column 'ill'" in error
    assert answer("learn", model, tmp_path / "b.csv", "--target", "other")["n_retained"] == 638
    frame[:3].to_csv(tmp_path / "right.csv", index=False)
    assert answer("correct", model, tmp_path / "right.csv")["n_retained"] == 638
    answer("forget", model, "--id", frame.person[0])
    error = answer("learn", model, tmp_path / "right.csv", status=told.MISTAKEN)["error"]
    assert "1 of these rows" in error and "--again" in error


def test_corrections_take_the_labels_of_the_table(model, tables, tmp_path, answer, capsys):
    import pandas

    right, frame = tmp_path / "right.csv", pandas.read_csv(tables / "people.csv")[:3]
    was = frame.ill.tolist()
    frame.assign(ill=1 - frame.ill).to_csv(right, index=False)
    assert answer("correct", model, right, "--dry-run")["labels"]
    assert main(["correct", model, str(right)]) == 0
    assert "3 rows corrected, features and labels" in capsys.readouterr().out
    assert labels(model, frame.person) == [1 - label for label in was]
    # A column of another name counts once it is asked for; without labels they stay.
    frame.rename(columns={"ill": "truly"}).to_csv(right, index=False)
    assert main(["correct", model, str(right)]) == 0
    assert "3 rows corrected, features alone" in capsys.readouterr().out
    assert labels(model, frame.person) == [1 - label for label in was]
    answer("correct", model, right, "--target", "truly")
    assert labels(model, frame.person) == was
    error = answer("correct", model, right, "--target", "ill", status=told.MISTAKEN)["error"]
    assert "no column 'ill'" in error


def labels(model, ids):
    """The labels that rows of a store have, by their identifiers."""
    with ModelStore.open(model) as store:
        fitted = store.model._fitted
        positions = np.array([fitted.names.labels.live(name)[0] for name in ids])
        codes = fitted.model.held(fitted.names.store(positions))[1]
        names = {code: label for code, label in fitted.encoding.names.items()}
        return [names[code] for code in codes.tolist()]


@pytest.mark.parametrize("pipeline", [[], ["--pipeline", "scaler"]])
@pytest.mark.parametrize("estimator", fitting.ESTIMATORS)
def test_every_estimator_is_fitted_into_a_directory(estimator, pipeline, tmp_path, answer):
    import pandas

    if estimator == "min-norm" and pipeline:
        pytest.skip("no least squares of minimum norm behind steps that depend on rows")
    rng = np.random.default_rng(0)
    n, d = (20, 60) if estimator == "min-norm" else (200, 3)
    frame = pandas.DataFrame(rng.normal(size=(n, d)), columns=[f"f{i}" for i in range(d)])
    # Labels for those that classify, positive numbers for the others.
    frame["y"] = 1 + rng.integers(0, 2, n)
    frame.to_csv(tmp_path / "t.csv", index=False)
    how = "--target", "y", "--estimator", estimator, *pipeline
    where = tmp_path / "m"
    answer("fit", tmp_path / "t.csv", *how, "--store", where)
    answer("forget", where, "--row", "3")
    with ModelStore.open(where) as store:
        features = pandas.read_csv(tmp_path / "t.csv").drop(columns="y")
        assert answer("predict", where, tmp_path / "t.csv") == store.predict(features).tolist()


@pytest.mark.parametrize(
    "more, said",
    [
        ([], "for all releases after a removal together"),
        (["--set", "view=release"], "for each release after a removal"),
        (["--set", "noise=0"], "nothing is certified"),
    ],
)
def test_a_fit_says_what_its_certificate_holds_for(tables, tmp_path, capsys, more, said):
    command = ["fit", str(tables / "people.csv"), "--target", "ill", "--ids", "person"]
    assert main([*command, *more, "--store", str(tmp_path / "new")]) == 0
    assert said in capsys.readouterr().out


def test_the_page_is_drawn(model, tmp_path, answer, browser):  # noqa: F811
    import subprocess

    from matplotlib import image

    answer("forget", model, "--id", "p001", "--reference", "<b>case</b>")
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    assert main(["report", model, "-o", str(page)]) == 0
    assert "<b>case</b>" not in page.read_text() and "p001" not in page.read_text()
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1400"]
    command += [f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    drawn = image.imread(picture)[:, :, :3]
    assert 0.02 < (np.abs(drawn - drawn[2, 2]).max(axis=2) > 0.02).mean() < 0.6


@pytest.mark.parametrize("command", [["forget"], ["status"], ["request", "list"]])
def test_what_a_command_does_not_know_is_answered_by_its_own_usage(model, command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, model, "--store", model])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "unrecognized arguments: --store" in said
    assert said.startswith(f"usage: certunlearn {' '.join(command)} ") and "DIR" in said
