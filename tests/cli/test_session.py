"""The session of docs/store.md, as a new user types it: every command, every line of its answer."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from certunlearn.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "store.md"


def session():
    """Yield commands with what the page says that they print."""
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.S | re.M):
        for part in block.split("$ ")[1:]:
            command, _, answer = part.partition("\n")
            yield command, answer


def expected(answer):
    """Three dots stand for anything, on a line or for lines."""
    return re.compile(re.escape(answer.rstrip("\n")).replace(r"\.\.\.", ".*"), re.S)


def test_the_session_of_the_guide(tables, tmp_path, monkeypatch, capsys):
    for table in tables.iterdir():
        shutil.copy(table, tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = list(session())
    assert len(commands) > 15
    for command, answer in commands:
        program, *arguments = shlex.split(command)
        assert program == "certunlearn"
        assert main(arguments) == 0, command
        said = capsys.readouterr().out.rstrip("\n")
        assert expected(answer).fullmatch(said), f"{command}\n{said}"
    page = (tmp_path / "page.html").read_text()
    assert "case 1" in page and "ward 7" in page and "p017" not in page
    assert "https://" not in page and "<script" not in page


def test_exit_statuses_of_the_page(capsys):
    from certunlearn.cli.told import STATUSES_SAID

    text = PAGE.read_text()
    for status in re.findall(r"\d", STATUSES_SAID.replace("2 usage", "")):
        assert re.search(rf"\b{status}\b", text)
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "verification failed" in " ".join(capsys.readouterr().out.split())
