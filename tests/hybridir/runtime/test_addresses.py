import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.errors import InputError
from hybridir.runtime.addresses import has_secret, tracking_address, without_secrets

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
@pytest.mark.parametrize(
    "password", ["se/cret", "se#cret", "se?a=b", "se@cret", "se 'cret", "1/2", ""]
)
def test_a_password_that_an_address_would_have_to_quote_is_one(password: str) -> None:
    for scheme in ("http://", "", "databricks://"):
        assert tracking_address(f"{scheme}me:{password}@host:5000", "") == f"{scheme}host:5000"
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
        ("postgresql://u:p@h/db?x=1", "postgresql://h/db?x=..."),
        ("https://token@h refused", "https://h refused"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://me:se/cr#e?t@host:5000/path", "http://host:5000/path"),
        ("http://me:s@cret@host refused", "http://host refused"),
        ("http://me:5000/cret@host", "http://host"),
        ("http://host:5000/path for a@b", "http://host:5000/path for a@b"),
        ("mail me@h", "mail me@h"),
        ("me:secret@host:5000", "host:5000"),
        ("--set tracking_uri=me:secret@host:5000", "--set tracking_uri=host:5000"),
        ("'me:secret@host' is away", "'host' is away"),
        ("//me:secret@host", "//host"),
        ("/data/a:b@c/mlflow.db", "/data/a:b@c/mlflow.db"),
        ("sqlite:////data/a:b@c/mlflow.db", "sqlite:////data/a:b@c/mlflow.db"),
        ("sqlite:///mlflow.db?timeout=20&mode=rw", "sqlite:///mlflow.db?timeout=20&mode=rw"),
        ("http://h?mode=rw&token=s&cache=c", "http://h?mode=rw&token=...&cache=c"),
        ("http://h:5000/?token=se/c?r&et=1#x", "http://h:5000/?token=...&et=..."),
        ("host:5000?password=secret is away", "host:5000?password=... is away"),
        ("http://h/#access_token=secret", "http://h/#access_token=..."),
        ("'http://h:9/#secret' is away", "'http://h:9/#...' is away"),
        ("http://h:9;secret is away; http://h; then", "http://h:9;... is away; http://h; then"),
        ("databricks://profile is away", "databricks://... is away"),
        ("databricks-uc://scope:prefix", "databricks-uc://..."),
        ("databricks://token:secret@host", "databricks://..."),
        ("Is it away? a=1 & b=2", "Is it away? a=1 & b=2"),
    ],
)
def test_a_text_loses_its_secrets_alone(text: str, expected: str) -> None:
    assert without_secrets(text) == expected
    assert without_secrets(expected) == expected


@pytest.mark.parametrize(
    "address",
    [
        *(SECRET, "me:secret@host:5000", "//me:secret@host", "https://token@host"),
        *("http://me:se cret@host", "http://me:'secret'@host", " http://me:secret@host"),
        *(
            "http://host:5000?token=secret",
            "host?password=se cret",
            "http://h/#secret",
            "http://h:9;secret",
            "databricks://me:secret@host",
        ),
    ],
)
def test_an_address_with_a_secret_is_known_as_one(address: str) -> None:
    assert has_secret(address)


@pytest.mark.parametrize(
    "address",
    [
        *("http://host:5000/path", "host:5000", "mlruns", "databricks", "databricks://profile"),
        *("sqlite:////data/a:b@c/mlflow.db", "sqlite:///a@b.db", "sqlite:///x.db?timeout=20"),
        *("postgresql://host/db?sslmode=require", "file:///a/b@c", "http://h/a@b", ""),
    ],
)
def test_an_address_without_a_secret_is_taken_as_it_is(address: str) -> None:
    assert not has_secret(address)
    assert tracking_address(address, address) == address


# Signs that neither end an address in a text nor stand in any of the other parts below.
SIGNS = st.characters(
    min_codepoint=33,
    max_codepoint=0x17F,
    exclude_categories=["C", "Z"],
    exclude_characters="\"'<>",
)
SCHEMES = ["", "//", "http://", "HTTPS://", "postgresql+psycopg2://", "databricks://", "s3://"]


@given(
    scheme=st.sampled_from(SCHEMES),
    user=st.text(st.sampled_from("abcXYZ0189._-+%"), min_size=1),
    password=st.text(SIGNS, min_size=1).map("#{}#".format),
    parameters=st.dictionaries(
        st.sampled_from(["token", "password", "access_token", "key"]),
        st.text(SIGNS, min_size=1).map("%{}%".format),
        max_size=3,
    ),
    around=st.sampled_from(["{}", "{} is away", "'{}'", "--set tracking_uri={}", "no: <{}>"]),
)
def test_whatever_the_secret_is_a_text_loses_it(
    scheme: str, user: str, password: str, parameters: dict[str, str], around: str
) -> None:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    address = f"{scheme}{user}:{password}@host:5000/path?{query}"
    assert has_secret(address)
    shown = without_secrets(around.format(address))
    assert password not in shown
    assert not any(value in shown for value in parameters.values())
    assert shown.startswith(around.split("{")[0] + scheme)
    assert shown.endswith(around.split("}")[1])


@pytest.mark.usefixtures("empty")
def test_a_secret_in_a_query_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@host:5000?token=s3 cret")
    with pytest.raises(
        InputError, match=r"follows http://host:5000 in .* MLFLOW_TRACKING_TOKEN"
    ) as e:
        tracking_address(None, "")
    assert "s3" not in str(e.value)
    assert "cret" not in str(e.value).replace("secret", "")
