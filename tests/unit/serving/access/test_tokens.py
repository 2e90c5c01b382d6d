import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from movie_recommender.errors import ConfigurationError
from movie_recommender.serving.access.tokens import LEEWAY_S, Tokens, tokens_of
from movie_recommender.settings import load_settings
from tests.unit.serving.access.conftest import SECRET, signed

FOR_US = {"serving_jwt_issuer": "https://issuer", "serving_jwt_audience": "movies"}


def tokens(**settings: Any) -> Tokens:
    return tokens_of(load_settings(**{**FOR_US, **settings}))


def jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm: Any = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    found = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**found, "kid": kid, "alg": algorithm, "use": "sig"}


def write(path: Path, *keys: dict[str, Any], age_s: float = 0) -> Path:
    path.write_text(json.dumps({"keys": keys}))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@pytest.fixture(scope="module")
def rsa_keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]


def test_a_token_that_a_shared_secret_signed() -> None:
    caller = tokens(serving_jwt_secret=SECRET).caller(signed())
    assert caller is not None
    assert (caller.id, sorted(caller.scopes)) == ("app", ["feedback", "read"])
    assert caller.expires == pytest.approx(time.time() + 3600 + LEEWAY_S, abs=5)


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed("another secret, which is as long as the first is"),
        lambda: signed(exp=int(time.time()) - 60),
        lambda: signed(exp=None),
        lambda: signed(nbf=int(time.time()) + 600),
        lambda: signed(sub=None),
        lambda: signed(sub=7),
        lambda: signed(iss="https://somebody-else"),
        lambda: signed(aud="another service"),
        lambda: signed(aud=None),
        lambda: signed()[:-4],
        lambda: jwt.encode({"sub": "app"}, None, algorithm="none"),
        lambda: signed(2 * SECRET, algorithm="HS512"),
        lambda: "a.b.c",
        lambda: "\x00\xff",
        lambda: "",
    ],
)
def test_a_token_that_is_not_for_us_is_nobodys(token: Callable[[], str]) -> None:
    assert tokens(serving_jwt_secret=SECRET).caller(token()) is None


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        (["read", "admin:users"], ["read"]),
        (["admin"], ["admin", "feedback", "read"]),
        ("", []),
        (None, []),
        (7, []),
        ([["read"], {}], []),
    ],
)
def test_scopes_are_words_or_a_list_and_others_are_left_out(claim: Any, scopes: list[str]) -> None:
    checked = tokens(serving_jwt_secret=SECRET, serving_jwt_scope_claim="scp")
    caller = checked.caller(signed(scp=claim))
    assert caller is not None
    assert sorted(caller.scopes) == scopes


def test_keys_of_a_file_and_their_rotation(
    rsa_keys: list[rsa.RSAPrivateKey], tmp_path: Path
) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    old, new = rsa_keys
    path = write(tmp_path / "jwks.json", jwk(old, "1"), jwk(curve, "2"), age_s=60)
    checked = tokens(serving_jwt_jwks_file=path)
    assert checked.caller(signed(old, "RS256", kid="1")) is not None
    assert checked.caller(signed(curve, "ES256", kid="2")) is not None
    assert checked.caller(signed(old, "RS256", kid="2")) is None
    assert checked.caller(signed(old, "RS256")) is None  # two keys, and it says of neither
    assert checked.caller(signed(new, "RS256", kid="3")) is None
    write(path, jwk(new, "3"))
    assert checked.caller(signed(old, "RS256", kid="1", sub="later")) is None  # first of all
    assert checked.caller(signed(new, "RS256", kid="3")) is not None
    assert checked.caller(signed(new, "RS256")) is not None  # the only one
    assert checked.caller(signed(old, "RS256", kid="1")) is None


def test_a_public_key_is_no_secret(rsa_keys: list[rsa.RSAPrivateKey], tmp_path: Path) -> None:
    secret = b"secret-secret-secret-secret-secret-"
    encoded = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    shared = {"kty": "oct", "kid": "1", "alg": "HS256", "k": encoded}
    path = write(tmp_path / "jwks.json", jwk(rsa_keys[0], "2"), shared)
    checked = tokens(serving_jwt_jwks_file=path)
    assert checked.caller(signed(secret, kid="1")) is None
    number = jwk(rsa_keys[0], "2")["n"]
    assert checked.caller(signed(number.encode(), kid="2")) is None


def test_a_file_that_breaks_later_changes_nothing(
    rsa_keys: list[rsa.RSAPrivateKey], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "jwks.json", jwk(rsa_keys[0], "1"), age_s=60)
    checked = tokens(serving_jwt_jwks_file=path)
    path.write_text("{")
    assert checked.caller(signed(rsa_keys[1], "RS256", kid="2")) is None
    assert "the keys read before go on" in caplog.text
    assert checked.caller(signed(rsa_keys[0], "RS256", kid="1")) is not None


def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="JWKS_FILE: expected one of them"):
        tokens(serving_jwt_secret=SECRET, serving_jwt_jwks_file=tmp_path / "x")
    with pytest.raises(ConfigurationError, match="SERVING_JWT_AUDIENCE: both are needed"):
        tokens(serving_jwt_secret=SECRET, serving_jwt_audience=None)
    for content in ("", "[]", '{"keys": []}', '{"keys": 3}'):
        path = tmp_path / "jwks.json"
        path.write_text(content)
        with pytest.raises(ConfigurationError, match="can't be read as a JSON web key set"):
            tokens(serving_jwt_jwks_file=path)
    with pytest.raises(ConfigurationError, match=r"SERVING_JWT_SECRET=\(hidden\).*32") as raised:
        load_settings(serving_jwt_secret="tooshort")
    assert "tooshort" not in str(raised.value)
