import os

import pytest

from hybridir.runtime.addresses import has_password, tracking_address, without_password

SECRET = "http://me:s%40cret@host:5000/path"


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URI", "USERNAME", "PASSWORD"):
        # Set first, so that what the code under test sets is taken back.
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}")


@pytest.mark.usefixtures("empty")
def test_user_and_password_move_to_the_variables_that_mlflow_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tracking_address(None, "sqlite:///mlflow.db") == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SECRET)
    assert tracking_address(None, "sqlite:///mlflow.db") == "http://host:5000/path"
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://host:5000/path"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s@cret"
    # The next one of the same process finds the address without them.
    assert tracking_address(None, "sqlite:///mlflow.db") == "http://host:5000/path"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s@cret"


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("password", ["se/cret", "se#cret", "se?cret", "se@cret", "1/2", ""])
def test_a_password_that_an_address_would_have_to_quote_is_one(password: str) -> None:
    assert tracking_address(f"http://me:{password}@host:5000", "") == "http://host:5000"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == password


@pytest.mark.usefixtures("empty")
def test_an_address_that_is_given_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SECRET)
    assert tracking_address("http://other", "") == "http://other"
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://host:5000/path"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECRET, "http://host:5000/path"),
        ("postgresql://u:p@h/db?x=1", "postgresql://h/db?x=1"),
        ("https://token@h refused", "https://h refused"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://me:se/cr#e?t@host:5000/path", "http://host:5000/path"),
        ("http://me:s@cret@host refused", "http://host refused"),
        ("http://me:5000/cret@host", "http://host"),
        ("http://host:5000/path for a@b", "http://host:5000/path for a@b"),
        ("mail me@h", "mail me@h"),
    ],
)
def test_a_text_loses_user_and_password_alone(text: str, expected: str) -> None:
    assert without_password(text) == expected
    assert has_password(text) == (text != expected)
