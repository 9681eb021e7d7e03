from __future__ import annotations

import json
import random
import re
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpus_logs
from tfprov.redact import Anonymiser, holds_password, redact, redact_all, without_userinfo


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:hunter2@host/simple", "https://****@host/simple"),
        ("https://glpat-abc@host/simple", "https://****@host/simple"),
        ("https://user:hun@ter2@host/simple", "https://****@host/simple"),
        ("git+ssh://git:key@host/x.git@v1", "git+ssh://****@host/x.git@v1"),
        ("via socks5h://me:pw@[::1]:1080, then direct", "via socks5h://****@[::1]:1080, then direct"),
        ("'http://a:b@x' and \"http://c:d@y\"", "'http://****@x' and \"http://****@y\""),
        ("https://host/t/tk-123-abc/conda-forge", "https://host/t/****/conda-forge"),
        ("`https://host/t/tk-123-abc`", "`https://host/t/****`"),
        ('GET http://me:pa"ss@host/x and more', "GET http://****@host/x and more"),
        ("GET http://me:pa ss' w@host:80/x", "GET http://****@host:80/x"),
        ("GET http://me:p<a>s/s@[::1]:80/x", "GET http://****@[::1]:80/x"),
        ("https://host/a.whl?X-Amz-Signature=abc&part=1", "https://host/a.whl?X-Amz-Signature=****&part=1"),
        ("https://host/a.whl?part=1&access_token=abc", "https://host/a.whl?part=1&access_token=****"),
        ("https://host/a.whl?sv=2024&sig=a%2Bb%3D&se=1", "https://host/a.whl?sv=2024&sig=****&se=1"),
        ("Authorization: Basic dTpw", "Authorization: ****"),
        ("PRIVATE-TOKEN: abc", "PRIVATE-TOKEN: ****"),
        ("X-JFrog-Art-Api: abc", "X-JFrog-Art-Api: ****"),
        ("{'cookie': 'a=1; b=2', 'x': 1}", "{'cookie': '****', 'x': 1}"),
        ("Set-Cookie: session=abc; Path=/", "Set-Cookie: ****"),
        ("http://host/a?key=abc;jwt=abc#access_token=abc", "http://host/a?key=****"),
        ("http://host/a?api-key=abc&keys=1&AWSAccessKeyId=1", "http://host/a?api-key=****&keys=1&AWSAccessKeyId=1"),
        ("proxy-authorization:Bearer abc.def", "proxy-authorization:****"),
        ("Authorization: token ghp_abc", "Authorization: ****"),
        ("Authorization: ghp_abc", "Authorization: ****"),
        ("{'Authorization': 'Bearer abc', 'Accept': '*/*'}", "{'Authorization': '****', 'Accept': '*/*'}"),
        ('{"authorization": "Basic dTpw"}', '{"authorization": "****"}'),
    ],
)
def test_secrets_are_replaced_and_what_is_around_them_stays(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8443/simple/?format=json",
        "https://host/packages/x@1.0/file.whl",
        "https://host?mail=somebody@example.org",
        "mail somebody@example.org about https://host/x",
        "the token of `pip` is fine; signature=yes without an address",
        "https://host/t/",
        "no authorization is needed here",
        "the proxy `http://proxy:3128`: refused, says somebody@example.org",
        "(https://host:8443), mail somebody@example.org",
        "https://host: refused, says somebody@example.org",
        "TypeError: __init__() got an unexpected keyword argument: token=None, pad_token='[PAD]', max_tokens=2048",
        "    token = self._next(line); code=f.read(); password = getpass.getpass()",
        "error: unexpected token: `}`; the cancellation_token=0x7f33a0b0c0d0 and --token-file are fine",
        "pass --password or --token FILE; invalid secret: must be 8 characters",
        "password = ${PASSWORD}, token: $TOKEN, <TOKEN>/private",
        "https://host/a?file=ManyLongWordsOfOneNamePart2&v=d41d8cd98f00b204e9800998ecf8427e&id=PyYAML-6.0.1-cp311-x.whl",
        f"https://host/a.whl#sha256={'0123456789abcdef' * 4}&egg=sk-learn",
        "task-scheduling-with-1000-workers, npm_config_registry, hf_hub_download, sk-learn, xoxo-2",
        "hf_transfer_0_1_8_manylinux_2_17, glibc-common-2_17_x, npm_package_name_of_2024, sk-learn-contrib-hdbscan-0",
        "tiktoken==0.8.0 google_auth>=2.35.0rc1,<3.0; tiktoken=0.8.0=py312hcfe5e24_0, python-secret==0.10.12",
        'tiktoken = "==0.8.0", google_auth = ">=2.35.0, <3.0.*", {"tiktoken": "0.10.12"}, token = "2024-05-01"',
        "GOOGLE_APPLICATION_CREDENTIALS=/home/me/key2.json token=/var/run/secrets/token2 token=self.token2",
        "apt-key adv --recv-key A4B469963BF863CC --cache-key v1-linux --restore-key Linux-py3.12",
        "https://discuss.tensorflow.org/t/unable-to-install/18742",
        "docker://ubuntu@sha256:0123456789abcdef, ssh://git@host/x.git, GET https://host/x?code=404 HTTP/1.1",
        "pad_token = \"PAD_TOKEN_1\", eos_token_id=50256, tokenizer=bert-base-uncased1, '?code=503'",
        "parser.add_argument('--token', '-t'); ssh -p 2222 host; mysql -u root -p db; docker run -p 8080:80 x; pass=3",
        "token_count: 12\nkey: pip-3.11-linux2\nmax_tokens: 4096",
        "<Error><Code>NoSuchKey</Code><Key>x/tensorflow-2.16.1.whl</Key></Error>",
        'id-token: write, authorization: required, "cookie": null, password: required',
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text
    assert without_userinfo(text) == text


SECRET = "hunterTwo99x"


@pytest.mark.parametrize(
    "line",
    [
        *(
            "password=%s",
            "password = %s",
            "password: %s",
            "Enter passphrase: %s",
            '"password": "%s"',
            "DB_PASSWORD='%s'",
        ),
        *("PGPASSWORD=%s psql", "--password %s", "--password=%s", "--token %s", "--api-key=%s", "api_key = %s"),
        *("token = %s", "client_secret=%s&x=1", "//host/:_authToken=%s", "_auth=%s", "export HF_TOKEN=%s"),
        *("machine host login me password %s", "curl -sSL -u me:%s https://host", "twine upload -u __token__ -p %s"),
        *("sshpass -p %s ssh host", "Server=h;User Id=u;Password=%s;", "<password>%s</password>", "Bearer %s"),
        *("X-Vault-Token: %s", "X-Amz-Security-Token: %s", "X-Goog-Api-Key: %s", "Ocp-Apim-Subscription-Key: %s"),
        "Authorization: AWS4-HMAC-SHA256 Credential=AKID/2/x, SignedHeaders=host, Signature=%s",
        'Authorization: Digest username="me", response="%s"',
        "?to=https%%3A%%2F%%2Fme%%3A%s%%40host%%2F",
        "?to=https%%3A%%2F%%2Fhost%%2Fx%%3Ftoken%%3D%s",
        '"https://host/a?b=1\\u0026sig=%s"',
        "-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----",
        "https://hooks.slack.com/services/T0000000/B0000000/%s",
        *(
            f"https://host/a?part=1&{name}=%s&y=2"
            for name in ("code", "session", "sessionid", "ticket", "Policy", "otp")
        ),
        *(f"https://host/a?{name}=%s" for name in ("Key-Pair-Id", "SAMLResponse", "assertion", "sid", "hdnts")),
        # Arguments, in a shell and in a list.
        *('["curl", "--password", "%s"]', "['--token', '%s']", '--password "%s"', "--passphrase '%s and more'"),
        *("sshpass -p 'my %s' ssh host", "sshpass -p%s ssh host", '["sshpass", "-p", "%s", "ssh"]', "-storepass %s"),
        *('["curl", "-u", "me:%s"]', "curl --user 'me:%s' https://host", "curl -ume:%s https://host"),
        *("mysql -u root -p%s db", "Popen(['mysqldump', '-p%s'])", 'mariadb -p"%s"', "redis-cli -a %s"),
        *("docker login -u me -p %s host", "podman login -p=%s host", "openssl rsa -passin pass:%s"),
        # Variables and members.
        *("MYSQL_PWD=%s", "ansible_become_pass: %s", "  API_KEY: %s", "- HF_TOKEN: '%s'", "AccountKey=%s==;x"),
        *(
            '{"name": "DB_PASSWORD", "value": "%s"}',
            "- name: HF_TOKEN\n  value: %s",
            '<add key="Password" value="%s"/>',
        ),
        *(
            '{\\"password\\": \\"%s\\"}',
            'PASSWORD="%s',
            '"auths": {"host": {"auth": "%s=="}}',
            "https:\\/\\/me:%s@host\\/x",
        ),
    ],
)
def test_a_value_is_a_secret_by_the_name_before_it(line: str) -> None:
    found = redact(f"said: {line % SECRET}" if "BEGIN" in line else line % SECRET)
    assert SECRET not in found
    assert redact(found) == found


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_is_still_one_without_its_secrets(separators: tuple[str, str], indent: int | None) -> None:
    secrets = {
        **dict.fromkeys(("password", "api_key", "authorization", "x-api-token", "PRIVATE-TOKEN", "cookie"), SECRET),
        "Authorization": f"Basic {SECRET}==",
        "client_secret": f'{SECRET}"\\',
        "url": f"https://host/x?sig={SECRET}",
        "token": 20_401_999,
    }
    for name, value in secrets.items():
        document = {name: value, "tiktoken": "0.10.12", "other": ["b", {name: value}], "author": None}
        found = redact(json.dumps(document, separators=separators, indent=indent))
        shown = value.replace(SECRET, "****") if name == "url" else "****"
        assert json.loads(found) == {**document, name: shown, "other": ["b", {name: shown}]}
    table = f'token = "{SECRET}" # old\ntiktoken = "==0.8.0"\n'
    assert redact(table) == table.replace(SECRET, "****")


@pytest.mark.parametrize(
    ("begin", "letters", "size"),
    [
        *(
            (begin, string.ascii_letters + string.digits, 24)
            for begin in ("glpat-", "glrt-", "ghp_", "ghs_", "github_pat_")
        ),
        *(
            (begin, string.ascii_letters + string.digits, 34)
            for begin in ("pypi-AgE", "npm_", "hf_", "AKCp", "AIza", "sk-")
        ),
        *(
            (begin, string.ascii_letters + string.digits, 24)
            for begin in ("xoxb-", "xapp-", "ya29.", "hvs.", "dckr_pat_")
        ),
        ("AKIA", string.ascii_uppercase + string.digits, 16),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.", string.ascii_letters, 43),
        ("https://host/a.whl?unheard-of=", string.ascii_letters + string.digits, 43),
    ],
)
def test_a_token_is_known_by_its_shape(begin: str, letters: str, size: int) -> None:
    chance = random.Random(13)
    for _ in range(20):
        token = "".join(chance.choices(letters, k=size - 1)) + "7"
        assert token not in redact(f"the answer to {begin}{token} was 403")


def test_the_logs_of_the_corpus_are_shown_as_they_are() -> None:
    logs = (*corpus_logs.read(), *corpus_logs.read_public(), *corpus_logs.read_public(corpus_logs.MESSAGES))
    lines = {line for log in logs for line in log.content.decode("utf-8", "replace").splitlines()}
    changed = sorted(redact(line) for line in lines if redact(line) != line)
    assert [line[:100] for line in changed] == [
        "Looking in indexes: https://****@mirror.example/artifactory/private-python-local/simple",
        "[I 19:06:40.263 NotebookApp] http://host.example:8888/?token=****",
        # A link that whoever knows it may follow.
        "tensorflow_datasets.core.download.download_manager.NonMatchingChecksumError: Artifact https://drive.",
    ]


def test_any_text_without_an_at_sign_a_query_or_a_header_is_unchanged() -> None:
    chance = random.Random(7)
    letters = string.ascii_letters + string.digits + " /:.-_\n\"'<>=#%~"
    for _ in range(2000):
        text = "".join(chance.choices(letters, k=60)).replace("://", ":/")
        assert redact(text) == text


def test_redacting_twice_changes_nothing_more() -> None:
    text = "https://u:p@host/t/abc/x?token=1 Authorization: Bearer abc"
    assert redact(redact(text)) == redact(text)


def test_a_password_of_any_letters_never_survives_in_an_address() -> None:
    chance = random.Random(11)
    letters = string.ascii_letters + string.digits + "!$%&()*+,-.:;=@^_~"
    for _ in range(2000):
        secret = "S3" + "".join(chance.choices(letters, k=12)) + "3S"
        assert secret not in redact(f"GET https://me:{secret}@host/simple failed")
        assert without_userinfo(f"https://me:{secret}@host/simple") == "https://host/simple"


def test_user_and_password_are_left_out_of_every_address_of_a_document() -> None:
    document = 'url = "https://u:p@a/x.whl"\nurl = "https://token@b/y.whl"\n'
    assert without_userinfo(document) == 'url = "https://a/x.whl"\nurl = "https://b/y.whl"\n'


@pytest.mark.parametrize("scheme", ["ssh", "git+ssh", "SSH"])
def test_the_user_of_ssh_stays_in_an_address_without_the_password(scheme: str) -> None:
    for login in ("git", "git:secret", "git:se@cret"):
        assert without_userinfo(f'url = "{scheme}://{login}@host:22/x.git"') == f'url = "{scheme}://git@host:22/x.git"'
    assert without_userinfo(f"{scheme}://:secret@host/x.git") == f"{scheme}://host/x.git"


def test_every_text_in_a_document_is_redacted_whatever_it_lies_in() -> None:
    address = "https://u:p@host"
    document = {"a": address, "b": [address, (address, 1)], "c": {"d": None, "e": True, "f": 1.5}}
    found = redact_all(document)
    assert found == {
        "a": "https://****@host",
        "b": ["https://****@host", ["https://****@host", 1]],
        "c": {"d": None, "e": True, "f": 1.5},
    }
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "PASSWORD", "DB_PASSWORD_2"])
@pytest.mark.parametrize(
    "line",
    ['{0} = "hunter 2"', "export {0}='hunter2'", "{0}=hunter2", '{{"{0}": "hunter2", "A": "b"}}', "{0}: hunter2"],
)
def test_a_report_holds_no_value_of_a_variable_that_is_a_secret_by_its_name(name: str, line: str) -> None:
    found = Anonymiser()(line.format(name))
    assert "hunter" not in found
    assert name in found


@pytest.mark.parametrize(
    "line", ['HF_TOKEN = "${HF_TOKEN}"', "KEYS = 3", "TOKENIZERS_PARALLELISM=false", "the TOKEN is old"]
)
def test_a_reference_to_a_variable_and_other_names_stay_in_a_report(line: str) -> None:
    assert Anonymiser()(line) == line


@pytest.mark.timeout(50)
@pytest.mark.parametrize(
    "part",
    [
        *("http://x:yhttp", "http://a:b c", "ssh://x:y@", "://a/t/", "a:", "a.b-", "a+", "-", "_", "KEY_", "A_"),
        *(
            "password>",
            "-token:",
            "--a",
            "-eyJ",
            "mysql ",
            "docker login ",
            "-p",
            "name:token",
            "a_token: ",
            ":\\\\/\\\\/",
        ),
        *("--token '", "-pass", "redis-cli -a", "name=key"),
        *("sk-", "curl ", "login a ", "&a", "%3f"),
        *("?token=", "?", "?token", "?sig", "authorization: ", "authorization", "TOKEN=", "TOKEN ", "a@", "/home/"),
    ],
)
@pytest.mark.parametrize(("begin", "end"), [("", ""), ("http://", ""), ("KEY=", ""), ("?", "="), ("x@", "")])
def test_a_long_text_is_done_in_a_time_in_proportion(begin: str, part: str, end: str) -> None:
    # A time that grew with the square of the length would exceed the limit, which is a hundred times what is usual.
    text = begin + part * (60_000 // len(part)) + end
    assert len(Anonymiser(user="somebody", host="example")(text)) > 0
    assert len(without_userinfo(text)) > 0
    assert not holds_password(text) or "@" in text


@pytest.mark.parametrize("before", ["URL_", "9", "a.", "(", "="])
def test_an_address_keeps_no_secret_whatever_stands_before_it(before: str) -> None:
    assert "hunter2" not in redact(f"{before}https://me:hunter2@host/x")
    assert "hunter2" not in redact(f"{before}https://host/x?a=b&_token=hunter2")
    assert "hunter2" not in Anonymiser()(f"{before}__TOKEN__=hunter2")


SPELLINGS = (
    str,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: text.replace("\\", "/"),
    lambda text: "file:///" + quote(text.replace("\\", "/").lstrip("/"), safe="/:"),
)
NAMES = st.text(st.characters(categories=("L",)), min_size=3, max_size=8).map(lambda name: f"Zy{name}yZ")


@given(NAMES, NAMES, st.sampled_from(("/home/{}", "/srv/{}", "C:\\Users\\{} {}", "D:\\{}", "\\\\server\\{} {}")))
def test_the_home_of_a_user_is_in_no_spelling_in_a_report(first: str, last: str, home: str) -> None:
    home = home.format(first, last)
    hide = Anonymiser(home=home)
    for spell in SPELLINGS:
        text = f"in {spell(home)} and {spell(home + '/x' if home.startswith('/') else home + chr(92) + 'x')}"
        assert not {spell(first).strip('"'), spell(last).strip('"')} & set(re.findall(r"Zy.*?yZ", hide(text))), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in C:\\Users\\Jörg Müller\\project", "in C:\\Users\\USER\\project"),
        ('"C:\\\\Users\\\\J\\u00f6rg M\\u00fcller\\\\a b"', '"C:\\\\Users\\\\USER\\\\a b"'),
        ("C:\\Users\\JRGMLL~1\\AppData", "C:\\Users\\USER\\AppData"),
        ("c:\\users\\bob is full", "c:\\users\\USER is full"),
        ('"/home/j\\u00f6rg/x"', '"/home/USER/x"'),
        ("C:\\Users\\Public\\x", "C:\\Users\\Public\\x"),
    ],
)
def test_a_name_below_the_homes_of_a_system_is_hidden_whole(text: str, expected: str) -> None:
    assert Anonymiser()(text) == expected


def test_a_home_on_windows_is_hidden_in_any_case() -> None:
    assert Anonymiser(home="D:\\People\\Bob")("d:\\people\\bob\\x, D:/People/BOB/y") == "~\\x, ~/y"
