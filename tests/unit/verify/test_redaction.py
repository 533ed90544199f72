"""What a person's snippets hold that nobody else may read, and what must stay as it is."""

from __future__ import annotations

import re
import time

import pytest

from tests.support.snapshots import DEFAULT, Spoiled
from verify.redaction import without_secrets

SECRET = "Zm9vOmJhcg-s3cr3t"
# What a careless pattern begins anew at each of, when there are many.
PIECES = (
    *("psk-", "a.://", "token x ", "token=", "token ", "map $token ", "://token", "?token=", "# "),
    *(
        "token\\",
        '"\\" token',
        "${token",
        "Token A",
        "token ) ",
        "eyJabcdefgh.",
        "-----BEGIN token",
    ),
    *("-----BEGIN CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----", "token;", "map $token {"),
    *("proxy_set_header ", "proxy_set_header a ", 'proxy_set_header a "', "proxy_set_header #\n"),
    *("proxy_set_header a '\\", "uwsgi_param HTTP_A # ", "uwsgi_param HTTP_A\n\n#\n"),
)


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
        f"fastcgi_param DB_PASS {SECRET};",
        f"env DB_PASS={SECRET};",
        f"fastcgi_param HTTP_PWD {SECRET};",
        f"fastcgi_param PHP_AUTH_PW {SECRET};",
        f"proxy_set_header X-AuthToken {SECRET};",
        f'if ($arg_accesstoken = "{SECRET}") {{ return 200; }}',
        f"proxy_set_header X-Auth-Key {SECRET};",
        f'if ($http_x_auth != "{SECRET}") {{ return 401; }}',
        f"fastcgi_param APP_KEY base64:{SECRET}==;",
        f"env appKey='{SECRET}';",
        f"proxy_set_header X-Api-Token\n    {SECRET};",
        f"proxy_set_header\n    X-Api-Token\n    {SECRET};",
        f"https://{SECRET}@host/",
        f"git+ssh://{SECRET}:x-oauth-basic@host/",
        f"authentication {{\n    password {SECRET}\n    connect_timeout 3\n}}",
        f'    auth_pass "{SECRET}" # of VI_1',
        f"map $arg_key $ok {{ default 0; {SECRET} 1; }}",
        f'map $arg_key $ok {{ default 0; "~^[0-9]{{2}}$" 1; {SECRET} 1; }}',
        f"map\n  $arg_key\n  $ok\n{{\n default 0;\n  {SECRET} 1;\n}}",
        f"geo $backend_token {{ default {SECRET}; }}",
        f'return 200 "password is {SECRET}";',
        f'return 200 "the password {SECRET}";',
        f"proxy_pass http://api/?x=1&api_key={SECRET};",
        f"proxy_pass http://user:{SECRET}@host;",
        f"# Authorization: ApiKey {SECRET}",
        f"#proxy_set_header X-Token {SECRET};",
        f"location /a {{ proxy_set_header X-Token {SECRET}; }}",
        f"fastcgi_param DB_PASS a,{SECRET};",
        f"env DB_PASS=a,{SECRET};",
        f"proxy_set_header X-Api-Token # old\n    {SECRET};",
        f'set $token\n  $a;\nset $b_token\n  "a\nb {SECRET}";\nset $c_token\n "d\n{SECRET}";',
        f"set $access_tokens {SECRET};",
        f'fastcgi_param DB_DSN "mysql:host=x;password={SECRET}";',
        # Whatever the header is called, by which an application knows who asks it.
        f'proxy_set_header X-Gateway "{SECRET}";',
        f"proxy_set_header       X-Gateway          '{SECRET} more';",
        f"grpc_set_header x-gateway {SECRET};",
        f'proxy_set_header "X-Gateway" {SECRET};',
        f"proxy_set_header\n    X-Gateway # once:\n    # another\n    {SECRET};",
        f'fastcgi_param HTTP_X_ORIGIN_VERIFY "{SECRET}";',
        f"uwsgi_param  HTTP_X_ORIGIN_VERIFY  {SECRET} if_not_empty;",
        f"# proxy_set_header X-Gateway {SECRET};",
        f"location /a {{ proxy_set_header X-Gateway {SECRET}; }}",
        f'proxy_set_header X-Gateway "{SECRET}{"x" * 5000}";',
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
        'proxy_set_header Connection "Upgrade";',
        "proxy_set_header Host app.example.org;",
        "proxy_set_header X-Forwarded-Proto https;",
        'proxy_set_header Forwarded "";',
        'proxy_set_header X-Trace "$request_id-a";',
        "proxy_set_header X-Script-Name /shop;",
        "proxy_set_header X-Debug on;",
        'fastcgi_param HTTP_PROXY "";',
        "fastcgi_param HTTP_HOST app.example.org;",
        "fastcgi_param SERVER_SOFTWARE nginx;",
        "uwsgi_param HTTP_X_REAL_IP $remote_addr;",
        "auth_pass (secret)",
        "Config options: NFTABLES RTAX_FASTOPEN_NO_COOKIE JSON VRRP",
        "token-service.service loaded failed failed Tokens",
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
        "server_name token.example.org www.example.org;",
        "server_name example.org\n    token.example.org www.example.org;",
        "access_log /var/log/nginx/token.log main;",
        "error_log /var/log/nginx/token.log warn;",
        "proxy_pass http://token:8080;",
        "fastcgi_pass token:9000;",
        "grpc_pass grpc://token:9000;",
        "uwsgi_pass unix:/run/token.sock;",
        "proxy_pass_header X-Token;",
        "proxy_hide_header Set-Cookie;",
        "proxy_cookie_path ~*^/token(.*) /$1;",
        "ssl_certificate token.pem;",
        "ssl_certificate_key tls/token.key;",
        "include token.d/*.conf;",
        "root html/token;",
        "listen unix:/run/token.sock;",
        "location /token/ {",
        "location ~ ^/cookie {",
        "upstream token { server token.example.org:80 weight=2; }",
        "log_format main '$remote_addr token $arg_token at $time';",
        'add_header Access-Control-Allow-Headers "Authorization, Content-Type, X-Token";',
        "hash $cookie_pool consistent;",
        "-----BEGIN CERTIFICATE-----\nMIIB\nAKIA0123456789ABCDEF/psk==\n-----END CERTIFICATE-----",
        "VmYQWnpsk==",
        "ssl-token=",
        "    auth_type  PASS\n    auth_pass  (secret)\n}",
        "Peer signature type: ECDSA",
        "configure arguments: --with-http_auth_request_module --with-http_secure_link_module",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_the_file_that_a_map_includes_keeps_its_name() -> None:
    found = without_secrets("map $cookie_pool $pool { include maps/pools.map; s3cr3t blue; }")
    assert "include maps/pools.map;" in found
    assert "s3cr3t" not in found


@pytest.mark.parametrize(
    "text",
    [
        "psk-" * 20000,
        "a." * 50000 + "://",
        "token x " * 20000,
        # Below the longest line that is read.
        *(piece * (190000 // len(piece)) for piece in PIECES),
        *(f"{piece}\n" * 10000 for piece in ("token x", 'token "\\"', "map $token", "token '")),
    ],
    ids=lambda text: text[:20],
)
def test_no_line_takes_long(text: str) -> None:
    begun = time.process_time()
    without_secrets(text)
    assert time.process_time() - begun < 10


def test_the_second_chances_tables_among_sixteen_nodes_can_be_read() -> None:
    """A line of JSON, of about 10,500 characters for each other node."""
    rule = '{"match": {"left": {"meta": {"key": "iifname"}}, "right": "tandem"}}, '
    text = f'{{"nftables": [{rule * (160_000 // len(rule))}{{}}]}}'
    assert without_secrets(text) == text


def test_a_line_too_long_to_be_read_is_hidden_as_a_whole() -> None:
    found = without_secrets(f"before\n{'x ' * 150000} token\nafter")
    assert re.fullmatch(r"before\n\(secret-\w+\)\nafter", found)


def test_a_healthy_pairs_answers_stay_as_they_are_and_are_judged_alike() -> None:
    spoiled = Spoiled(DEFAULT)
    for answers in spoiled.data["looks"].values():
        for name, answer in answers["sections"].items():
            if not re.match("page|status|nginx_page|nginx_missing|nginx_status|metrics_", name):
                answer["text"] = without_secrets(answer["text"])
    judged = [(f.id, f.host, f.answer) for f in spoiled.judge().findings]
    assert judged == [(f.id, f.host, f.answer) for f in Spoiled(DEFAULT).judge().findings]
