"""Kill a process that works on a store, at random, many times over; look at what is left.

``python -m tests.benchmarks.kills --kills 1000`` prints a line of counts and ends with status 1 if
a store was inconsistent, an acknowledged request lost or done twice, or a forgotten row readable.

A child creates or opens a store and forgets, learns, corrects, exports and so on.  It writes what
was acknowledged to a file of its own, one line each, until it is killed with signal 9.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

N, D = 240, 4


def row(i):
    """Features of person i: digits that nothing else has."""
    return np.random.default_rng([7, i]).normal(size=D)


def name(i):
    return f"planted-person-{i:06}"


def spellings(i):
    """How a row could be found in a file: as bytes of each number, as text, by its name."""
    numbers = row(i)
    yield name(i).encode()
    for value in numbers.tolist():
        yield np.float64(value).tobytes()
        yield repr(value).encode()[:14]
    yield numbers.astype(np.float32).tobytes()


def fitted():
    from certunlearn import CertifiedRidge

    X = np.stack([row(i) for i in range(N)])
    # Labels that hold no number of a row.
    y = (X.sum(axis=1) > 0).astype(float) + 0.25 * (X[:, 0] > 0)
    return CertifiedRidge().fit(X, y, row_ids=[name(i) for i in range(N)])


class Child:
    """What is done until the process is killed."""

    def __init__(self, path, log, seed):
        self.path, self.random = path, random.Random(seed)
        self.file = log
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.next = 1000 * (seed + 1)

    def say(self, what, **more):
        os.write(self.log, (json.dumps({"what": what, **more}) + "\n").encode())

    def work(self, model):
        from certunlearn.store import ModelStore

        if not self.path.exists():
            ModelStore.create(self.path, model).close()
            self.say("created")
        while True:
            with ModelStore.open(self.path, "w") as store:
                for _ in range(self.random.randrange(1, 6)):
                    self.step(store)

    def alive(self, store):
        labels, learnt = (
            store.model._fitted.names.labels,
            Inspection(self.path, self.file).of("learnt"),
        )
        known = [name(i) for i in range(N)] + [said["who"] for said in learnt]
        return [who for who in known if labels.live(who)]

    def step(self, store):
        waiting = {n for case in store.ledger.cases.pending() for n in case.named}
        free = [v for v in self.alive(store) if v not in waiting]
        self.next += 1
        reference, who = f"case {self.next}", self.random.choice(free)
        kind = self.random.choice(["forget", "forget", "forget", "add", "run", "learn", "rest"])
        if kind == "forget":
            self.say("asked", reference=reference, who=who)
            store.forget(row_ids=[who], reference=reference)
            self.say("done", reference=reference, who=who)
        elif kind == "add":
            self.say("asked", reference=reference, who=who)
            store.add(row_ids=[who], reference=reference)
            self.say("added", reference=reference, who=who)
        elif kind == "run":
            for answer in store.run():
                self.say("done", reference=answer.reference)
        elif kind == "learn":
            store.learn(row(self.next)[None], [0.5], row_ids=[name(self.next)])
            self.say("learnt", who=name(self.next))
        else:
            self.rest(store, who)

    def rest(self, store, who):
        kind = self.random.choice(["correct", "export", "release", "acknowledge"])
        if kind == "correct":
            store.correct(row_ids=[who], y=[0.75])
        elif kind == "export":
            to = self.path.with_name(f"{self.path.name}-export-{self.next}")
            store.export(to, receiver="shop")
            self.say("exported", to=str(to))
        elif kind == "release":
            store.release("shop")
        else:
            for export in list(store.ledger.exports)[:1]:
                store.acknowledge(export.n)


class Inspection:
    """What is found after a kill; ``faults`` are sentences."""

    def __init__(self, path, log):
        self.path = path
        lines = log.read_bytes().splitlines() if log.exists() else []
        self.said = [json.loads(line) for line in lines]
        self.faults, self.kinds = [], Counter()

    def refused(self, check, message):
        if not check:
            self.faults.append(message)

    def of(self, what):
        return [said for said in self.said if said["what"] == what]

    def bytes(self):
        files = [p for p in self.path.parent.rglob("*") if p.is_file() and p.suffix != ".log"]
        return b"".join(p.name.encode() + p.read_bytes() for p in files)

    def readable(self, references, when):
        who = {said["reference"]: said["who"] for said in self.of("asked")}
        found = self.bytes()
        for reference in references:
            number = int(who[reference].rpartition("-")[2])
            self.refused(
                not any(s in found for s in spellings(number)), f"{who[reference]} readable {when}"
            )

    def look(self):
        from certunlearn.store import ModelStore, load_predictor

        if not self.path.exists():
            self.refused(not self.of("created"), "a created store is gone")
            return
        done = {said["reference"] for said in self.of("done")}
        self.readable(done, "once acknowledged")
        with ModelStore.open(self.path, "w") as store:
            self.kinds.update(verb for verb, _ in store.interrupted)
            cases = {case.reference: case for case in store.ledger.cases}
            for said in self.of("added"):
                self.refused(said["reference"] in cases, f"{said['reference']} is lost")
            for reference in done:
                state = cases[reference].state if reference in cases else "lost"
                self.refused(state == "done", f"{reference} was acknowledged and is {state}")
            closed = [r for r, case in cases.items() if case.state == "done"]
            self.once(store, closed)
            self.whole(store, closed)
        self.readable(closed, "once the store is open")
        for said in self.of("exported"):
            self.refused(load_predictor(said["to"]).certificate_ is not None, "a broken export")

    def once(self, store, closed):
        log = store.ledger.log
        entries = [log.entry(n).values for n in range(len(log))]
        removals = Counter(e["reference"] for e in entries if e["event"] == "removal")
        self.refused(removals == Counter(closed), "a request was not done exactly once")
        self.refused(log.faults() is None, f"the log: {log.faults()}")

    def whole(self, store, closed):
        model, status = store.model, store.status()
        self.refused(model.certificate_.public() == store.certificate, "another certificate")
        self.refused(store.certificate.matches(store.predictor), "other weights")
        # What a corrected row was before is forgotten as well.
        corrected = sum(g.verb == "correction" for g in store.ledger.generations())
        counts = {status["n_forgotten"], model.n_forgotten_, len(closed) + corrected}
        rows = sum(case.rows for case in store.ledger.cases if case.state == "done")
        self.refused(counts == {rows + corrected}, f"rows miscounted: {counts}, {rows}")
        learnt = sum(g.verb == "addition" for g in store.ledger.generations())
        self.refused(model.n_retained_ == N + learnt - len(closed), "rows lost or found")
        manifest = store._shards.manifest(store.ledger.fact("state"))
        parts = sum(len(a["parts"]) for a in manifest["arrays"].values())
        self.refused(len(list((self.path / "state").iterdir())) == 2 + parts, "orphans")


def forked(work):
    """Do something in a forked process; return its number, and a pipe that it writes to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:
        os.close(reading)
        work(writing)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def killed(path, log, seed, delay):
    """Let a child work on a store until it is killed, ``delay`` seconds after it has begun."""

    def work(ready):
        model = fitted()
        os.write(ready, b"!")
        Child(path, log, seed).work(model)

    child, ready = forked(work)
    os.read(ready, 1)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(ready)
    return os.WIFSIGNALED(status)


def looked_at(path, log):
    """Inspect in a process of its own; return faults and what had been interrupted."""

    def work(out):
        inspection = Inspection(path, log)
        try:
            inspection.look()
        except Exception as error:
            inspection.faults.append(f"{type(error).__name__}: {error}")
        os.write(out, json.dumps([inspection.faults, inspection.kinds]).encode())

    child, reading = forked(work)
    with os.fdopen(reading, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else (["the inspection has died"], {})


def main(kills, seed, each=12):
    """Kill ``kills`` times; return whether nothing was found."""
    assert "jax" not in sys.modules, "a process that has loaded JAX cannot be forked"
    import certunlearn.store.model_store  # noqa: F401

    draw, faults, interrupted, started = random.Random(seed), [], Counter(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for i in range(kills):
            here = Path(folder) / f"{i // each}"
            here.mkdir(exist_ok=True)
            path, log = here / "model", here / "child.log"
            # The first of each store hit its creation, the others what follows.
            delay = draw.uniform(0, 0.08 if i % each == 0 else 0.4)
            if not killed(path, log, seed * kills + i, delay):
                faults.append("a child ended by itself")
            # As often left to the next child to recover as to the inspection.
            if draw.random() < 0.5 or i % each == each - 1:
                found, kinds = looked_at(path, log)
                faults += found
                interrupted.update(kinds)
            if i % each == each - 1:
                shutil.rmtree(here)
                print(f"{i + 1} kills, {len(faults)} faults", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    counts = ", ".join(f"{verb} {n}" for verb, n in sorted(interrupted.items()))
    print(f"{kills} kills in {seconds:.0f} s; found begun and not committed: {counts or 'none'}")
    for fault in faults:
        print("FAULT", fault)
    print(f"{len(faults)} faults")
    return not faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sys.exit(not main(arguments.kills, arguments.seed))
