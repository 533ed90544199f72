"""What a person's snippets hold that nobody else may read, and what must stay as it is."""

from __future__ import annotations

import re

import pytest

from tests.support.snapshots import DEFAULT, Spoiled
from verify.redaction import without_secrets

SECRET = "Zm9vOmJhcg-s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f'proxy_set_header Authorization "Bearer {SECRET}";',
        f"proxy_set_header Authorization 'Basic {SECRET}';",
        f"proxy_set_header X-Api-Key {SECRET};",
        f'proxy_set_header "X-Auth-Token" "{SECRET}";',
        f'grpc_set_header x-access-token "{SECRET}";',
        f"fastcgi_param DB_PASSWORD {SECRET};",
        f"fastcgi_param  APP_SECRET  '{SECRET}';",
        f"env SECRET_KEY={SECRET};",
        f'set $upstream_password "{SECRET}";',
        f"set $token {SECRET};",
        f'add_header Set-Cookie "session={SECRET}; Secure";',
        f'if ($http_authorization != "Bearer {SECRET}") {{ return 401; }}',
        f"if ($arg_token = {SECRET}) {{ return 200; }}",
        f'map $http_x_api_key $known {{\n  default 0;\n  "{SECRET}" 1;\n}}',
        f"map $host $backend_token {{ default {SECRET}; }}",
        f'secure_link_md5 "$secure_link_expires$uri {SECRET}";',
        f"secure_link_secret {SECRET};",
        f"proxy_pass http://user:{SECRET}@backend.lab/;",
        f"return 302 https://u:{SECRET}@example.org/;",
        f"# was: Authorization: Bearer {SECRET}",
        "return 200 ghp_0123456789abcdefghijABCDEFGHIJ;",
        "proxy_set_header X eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM;",
        "-----BEGIN PRIVATE KEY-----\nMIIZm9v\n-----END PRIVATE KEY-----",
        f"Master-Key: {SECRET}",
        f'script "/usr/bin/check --password {SECRET} --host a"',
        f'{{"password": "{SECRET}"}}',
    ],
)
def test_a_secret_is_replaced_and_equal_ones_alike(text: str) -> None:
    found = without_secrets(text)
    for part in (SECRET, "ghp_0", "eyJhbG", "MIIZm9v"):
        assert part not in found
    assert "(secret" in found
    assert found == without_secrets(text)
    assert without_secrets(found) == found
    if SECRET in text:
        assert found != without_secrets(text.replace(SECRET, "another-0ne"))


@pytest.mark.parametrize(
    "text",
    [
        "server_tokens off;",
        "ssl_session_cache shared:SSL:10m;",
        "ssl_session_tickets off;",
        "ssl_password_file /etc/nginx/tls/passwords;",
        "ssl_certificate_key /etc/nginx/tls/default.key;",
        'auth_basic "Members only";',
        "auth_basic_user_file /etc/nginx/htpasswd;",
        "proxy_set_header Authorization $http_authorization;",
        'proxy_set_header Authorization "";',
        "proxy_set_header Cookie $http_cookie;",
        "proxy_cache_key $scheme$host$request_uri;",
        "auth_pass (secret)",
        "Config options: NFTABLES RTAX_FASTOPEN_NO_COOKIE JSON VRRP",
        "token-service.service loaded failed failed Tokens",
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
        "configure arguments: --with-http_auth_request_module --with-http_secure_link_module",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_a_healthy_pairs_answers_stay_as_they_are_and_are_judged_alike() -> None:
    spoiled = Spoiled(DEFAULT)
    for answers in spoiled.data["looks"].values():
        for name, answer in answers["sections"].items():
            if not re.match("page|status|nginx_page|nginx_missing|nginx_status|metrics_", name):
                answer["text"] = without_secrets(answer["text"])
    judged = [(f.id, f.host, f.answer) for f in spoiled.judge().findings]
    assert judged == [(f.id, f.host, f.answer) for f in Spoiled(DEFAULT).judge().findings]
