from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import random
import string
from urllib.parse import quote

import pytest

from planted import SPELLINGS
from tfprov.events import Note
from tfprov.redact import redact, redact_all
from tfprov.secret import Secret, hidden, noticed

VALUE = "hunter2-of-the-index"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    user: str
    password: Secret


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(VALUE)
    login = Login(user="me", password=secret)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>30}", repr(login), str([secret])]
    shown += [str(dataclasses.asdict(login)), json.dumps(dataclasses.asdict(login), default=str)]
    shown += [str(copy.copy(secret)), str(copy.deepcopy(login)), repr(Note(text=f"{login}", level="detail"))]
    assert [text for text in shown if VALUE in text] == []
    assert (str(secret), str(Secret(VALUE, shown="${TOKEN}"))) == ("****", "${TOKEN}")
    assert secret.reveal() == VALUE


def test_a_secret_is_neither_pickled_nor_written_as_json() -> None:
    with pytest.raises(TypeError, match=r"^a secret is not pickled$"):
        pickle.dumps(Secret(VALUE))
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"password": Secret(VALUE)})
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_secrets_are_compared_by_value() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("another one")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)


@pytest.mark.parametrize("odd", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    "spelled",
    [str, quote, lambda text: quote(text, safe=""), json.dumps, repr],
    ids=["raw", "path", "all", "json", "repr"],
)
def test_a_known_value_is_taken_out_of_every_text_however_it_is_written(odd: str, spelled: object) -> None:
    value = f"Left{odd}Right7"
    Secret(value, shown="${MINE}")
    text = redact(f"GET http://host/{spelled(value)}/x failed: {spelled(value)}")  # type: ignore[operator]
    assert "Left" not in text
    assert "Right7" not in text
    assert "${MINE}" in text


@pytest.mark.parametrize("odd", SPELLINGS.values(), ids=SPELLINGS)
def test_a_login_that_was_read_is_known_in_parts_where_blanks_cut_it(odd: str) -> None:
    address = f"http://me:Fronts{odd}Back99@host:80/simple"
    assert noticed(address) == address
    for part in ("Fronts Back99" if odd == " " else f"Fronts{odd}Back99").split():
        assert part not in hidden(f"cut: {part}")


def test_any_password_in_an_address_is_known_once_it_was_read() -> None:
    chance = random.Random(5)
    for _ in range(60):
        # A number and a slash at its beginning are a port and a path.
        password = "P" + "".join(chance.choices(string.ascii_letters + string.digits + string.punctuation, k=14)) + "9z"
        noticed(f"https://me:{password}@host/simple")
        assert password not in hidden(f"said {password}")


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("https://glpat-a1b2c3@host/simple", "glpat-a1b2c3"),
        ("https://host/t/tk-77-a1b2/conda-forge", "tk-77-a1b2"),
        ("https://host/t/tk-78-a1b2", "tk-78-a1b2"),
        ("https://host/x.whl?part=1&X-Amz-Signature=a1b2c3d4", "a1b2c3d4"),
        ("one=https://host/a two=https://me:p4ssw0rd@host/b", "p4ssw0rd"),
    ],
)
def test_tokens_and_signatures_are_known_too(address: str, secret: str) -> None:
    noticed(address)
    assert secret not in hidden(f"it was {secret}.")


@pytest.mark.parametrize(
    "address",
    [
        "https://host:8443/simple",
        "https://host/packages/x@1.0/file.whl",
        "https://host:8443/a@b",
        "https://${USER}:${PASSWORD}@host/simple",
        "https://me:secret@host/simple",
        "https://me:12345@host",
    ],
)
def test_what_is_no_secret_or_a_common_word_stays_in_texts(address: str) -> None:
    noticed(address)
    text = "host 8443 simple packages x@1.0 file.whl 8443/a@b me secret ${PASSWORD} 12345"
    assert hidden(text) == text


def test_a_short_value_is_taken_out_only_where_it_stands_alone() -> None:
    Secret("abc123", shown="${SHORT}")
    assert hidden("abc123 xabc123 abc1234 /abc123/ a%2Fabc123") == "${SHORT} xabc123 abc1234 /${SHORT}/ a%2F${SHORT}"


def test_a_document_has_names_in_place_of_values() -> None:
    Secret("value-of-a-variable", shown="${NAME}")
    document = {"a": ["value-of-a-variable", {"b": "https://host/value-of-a-variable/x"}]}
    assert redact_all(document) == {"a": ["${NAME}", {"b": "https://host/${NAME}/x"}]}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", [" ", "\t", ", ", "://", "a://", "x=a://", "://a:", "a"])
def test_a_long_text_is_searched_for_addresses_in_a_time_in_proportion(part: str) -> None:
    # A time that grew with the square of the length would exceed the limit.
    text = "http://host/" + part * (60_000 // len(part))
    assert noticed(text) == text
