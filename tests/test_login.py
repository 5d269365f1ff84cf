"""Every odd form of a login and of the variables around it: what is used, and what a person is told."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from neo_mcp.advice import worded
from neo_mcp.config import DEFAULT_API_URL, TOKEN_ENV, Settings, TokenOrigin, load_settings
from neo_mcp.errors import ConfigurationError
from neo_mcp.hints import LIBRARY, Hint

HERE = "https://api.here.example"
SECRET, STORED = "pul-canary-0123456789", "pul-stored-0123456789"
PLAIN = json.dumps({"current": HERE, "accessTokens": {HERE: STORED}})
ENVELOPE = {
    "$pulumiSecureStore": 1,
    "backend": "keychain",
    "algo": "aes-256-gcm",
    "nonce": "AA==",
    "data": "AA==",
}


class Folder:
    """A home directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pulumi = path / ".pulumi"
        self.pulumi.mkdir()
        self.login = self.pulumi / "credentials.json"

    def write(self, name: str, content: object) -> Path:
        file = self.path / name
        raw = (
            content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else None
        )
        file.write_bytes(json.dumps(content).encode() if raw is None else raw)
        file.chmod(0o600)
        return file

    def log_in(self, content: object) -> None:
        self.write(".pulumi/credentials.json", content)

    def load(self, **environ: str) -> Settings:
        return load_settings(environ, home=self.path)

    def refused(self, **environ: str) -> str:
        with pytest.raises(ConfigurationError) as caught:
            self.load(**environ)
        assert SECRET not in str(caught.value)
        assert STORED not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class Broken(NamedTuple):
    """A file that cannot be used, and what is said of it."""

    content: object
    says: str
    remedy: str


DELETE, GIVE = "Delete it, as `pulumi login` may fail on it too", f"Set {TOKEN_ENV}, or NEO_MCP_TOKEN_FILE"
BROKEN = {
    "cut off": Broken(PLAIN[:-2], "is cut off", DELETE),
    "cut off in a text": Broken(PLAIN[:40], "is cut off", DELETE),
    "nothing but a brace": Broken("{", "is cut off", DELETE),
    "NUL bytes": Broken(b"\0" * 300, "holds NUL bytes", DELETE),
    "NUL bytes at the end": Broken(PLAIN.encode() + b"\0" * 9, "holds NUL bytes", DELETE),
    "not JSON": Broken("current: https://x\n", "is no JSON (line 1, column 1)", DELETE),
    "two objects": Broken(PLAIN + PLAIN, "is no JSON", DELETE),
    "not UTF-8": Broken(b'{"current": "\xff\xfe"}', "is not UTF-8", DELETE),
    "a list": Broken([PLAIN], "holds no JSON object", DELETE),
    "a text": Broken('"text"', "holds no JSON object", DELETE),
    "nested too deeply": Broken("[" * 100_000, "is nested too deeply", DELETE),
    "the vendor's envelope": Broken(ENVELOPE, "is encrypted", GIVE),
    "an envelope of a later version": Broken({"$pulumiSecureStore": 2}, "is encrypted", GIVE),
    "an envelope of another name": Broken({"version": 2, "ciphertext": "AA=="}, "is encrypted", GIVE),
    "encrypted by another program": Broken(b"age-encryption.org/v1\n\xff\0", "is encrypted", GIVE),
    "encrypted as text": Broken("-----BEGIN PGP MESSAGE-----\n", "is encrypted", GIVE),
}
FORMS = {
    "plain": PLAIN,
    "with a byte-order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "as UTF-16": PLAIN.encode("utf-16"),
    "with line ends of Windows": json.dumps(json.loads(PLAIN), indent=4).replace("\n", "\r\n"),
    "a quoted token": json.dumps({"current": HERE, "accessTokens": {HERE: f' "{STORED}"\n'}}),
    "a slash at the end": json.dumps({"current": f"{HERE}/", "accessTokens": {HERE: STORED}}),
    "only an account": json.dumps({"current": HERE, "accounts": {HERE: {"accessToken": STORED}}}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_login_is_read_in_every_form(home: Folder, form: str) -> None:
    home.log_in(FORMS[form])
    settings = home.load()
    assert settings.token is not None
    assert (settings.token.get_secret_value(), settings.api_url) == (STORED, HERE)
    assert settings.token_origin is TokenOrigin.LOGIN
    assert settings.sources["token"] == settings.sources["api_url"] == f"file {home.login}"
    assert settings.warnings == ()


class TestBroken:
    @pytest.mark.parametrize("form", BROKEN)
    def test_without_a_token_it_is_reported_as_what_it_is(self, home: Folder, form: str) -> None:
        broken = BROKEN[form]
        home.log_in(broken.content)
        settings = home.load()
        assert settings.token is None
        advice = worded(LIBRARY, settings)[Hint.SET_TOKEN]
        assert advice.startswith(f"{home.login} {broken.says}")
        assert f". {broken.remedy}" in advice
        assert advice.endswith(".")
        assert STORED not in advice

    @pytest.mark.parametrize("form", BROKEN)
    @pytest.mark.parametrize("by_file", [False, True])
    def test_a_token_from_elsewhere_is_not_sent_to_the_managed_service(
        self, home: Folder, form: str, by_file: bool
    ) -> None:
        home.log_in(BROKEN[form].content)
        file = home.write("token", SECRET)
        given = {"NEO_MCP_TOKEN_FILE": str(file)} if by_file else {TOKEN_ENV: SECRET}
        text = home.refused(**given)
        assert (
            f"from the {f'file {file}' if by_file else f'environment variable {TOKEN_ENV}'} is not sent to"
            in text
        )
        assert f"{home.login} {BROKEN[form].says}" in text
        assert "Set PULUMI_API or --api-url" in text
        for name in ("PULUMI_API", "PULUMI_BACKEND_URL"):
            settings = home.load(**given, **{name: DEFAULT_API_URL})
            assert settings.token is not None
            assert settings.token.get_secret_value() == SECRET

    @pytest.mark.parametrize("form", BROKEN)
    def test_several_users_tokens_are_not_either(self, home: Folder, form: str) -> None:
        home.log_in(BROKEN[form].content)
        shared = {"NEO_MCP_PULUMI_TOKEN_HEADER": "true"}
        assert "A user's access token is not sent to" in home.refused(**shared)
        assert home.load(**shared, PULUMI_API=HERE).api_url == HERE

    @pytest.mark.parametrize("content", [b"", b" \r\n"])
    def test_an_empty_one_is_as_good_as_none(self, home: Folder, content: bytes) -> None:
        home.log_in(content)
        assert home.load(PULUMI_ACCESS_TOKEN=SECRET).api_url == DEFAULT_API_URL
        advice = home.load().no_token
        assert advice.startswith(f"{home.login} is empty. {DELETE}")

    def test_a_login_without_a_token_is_told(self, home: Folder) -> None:
        odd: dict[object, str] = {
            **dict.fromkeys([None, "", 1], ""),
            "with blanks in it": "there is whitespace in it",
            "null": "it is a word for no value",
            "<token>": "it is a placeholder that was not filled in",
            **dict.fromkeys(
                ["${X}", "$env:X", "__X__"], "it is the name of a variable in place of its value"
            ),
            "***": "a part of it is masked or left out",
        }
        for stored, flaw in odd.items():
            account = {"accessToken": stored, "refreshToken": SECRET}
            home.log_in({"current": HERE, "accessTokens": {HERE: stored}, "accounts": {HERE: account}})
            settings = home.load()
            assert settings.token is None
            why = f"The login for api.here.example in {home.login} has no access token."
            if flaw:
                why = f"The access token for api.here.example in {home.login} cannot be one: {flaw}."
            assert settings.no_token == f"{why} Run `pulumi login {HERE}`, or set {TOKEN_ENV}."
        home.log_in({"current": HERE})
        assert home.load().no_token.startswith(f"{home.login} has no login for api.here.example.")

    def test_a_folder_in_its_place_is_told(self, home: Folder) -> None:
        home.login.mkdir()
        advice = home.load().no_token
        assert advice.startswith(f"{home.login} is a directory. Move it away, and run `pulumi login`")
        assert "is a directory" in home.refused(PULUMI_ACCESS_TOKEN=SECRET)

    def test_tokens_alone_may_be_encrypted(self, home: Folder) -> None:
        home.log_in({"current": HERE, "accessTokens": {HERE: {"ciphertext": "AA=="}}})
        settings = home.load()
        assert (settings.api_url, settings.token) == (HERE, None)
        assert "is encrypted" in settings.no_token
        assert home.load(PULUMI_ACCESS_TOKEN=SECRET).api_url == HERE


STATES = (
    "s3://bucket?region=x",
    "gs://b",
    "azblob://c",
    "file://~",
    "file:///srv",
    "S3://B",
    "postgres://u:p@h/d",
)


class TestAddress:
    @pytest.mark.parametrize("current", STATES)
    def test_a_login_to_a_state_backend_is_reported_as_one(self, home: Folder, current: str) -> None:
        home.log_in({"current": current, "accessTokens": {current: ""}})
        scheme = current.partition(":")[0].lower()
        why = f"The current login is a state backend ({scheme}://), which has no Neo."
        settings = home.load()
        assert settings.no_token.startswith(why)
        assert f"Run `pulumi login {DEFAULT_API_URL}`, or set {TOKEN_ENV}." in settings.no_token
        # And that advice works.
        assert home.load(PULUMI_ACCESS_TOKEN=SECRET).api_url == DEFAULT_API_URL

    @pytest.mark.parametrize("url", STATES)
    def test_so_is_a_variable_that_names_one(self, home: Folder, url: str) -> None:
        scheme = url.partition(":")[0].lower()
        why = (
            f"The environment variable PULUMI_BACKEND_URL is a state backend ({scheme}://), which has no Neo"
        )
        settings = home.load(PULUMI_BACKEND_URL=url)
        assert settings.no_token == f"{why}. Run `pulumi login {DEFAULT_API_URL}`, or set {TOKEN_ENV}."
        assert settings.warnings == (f"{why}; it is not used.",)
        # And that advice works.
        assert home.load(PULUMI_BACKEND_URL=url, PULUMI_ACCESS_TOKEN=SECRET).token is not None
        home.log_in({"current": DEFAULT_API_URL, "accessTokens": {DEFAULT_API_URL: STORED}})
        assert home.load(PULUMI_BACKEND_URL=url).token_origin is TokenOrigin.LOGIN

    @pytest.mark.parametrize("current", [*STATES, "", None])
    def test_but_not_where_another_pulumi_cloud_is_known(self, home: Folder, current: str | None) -> None:
        home.log_in({"current": current, "accessTokens": {HERE: STORED, DEFAULT_API_URL: STORED}})
        text = home.refused(PULUMI_ACCESS_TOKEN=SECRET)
        assert "has a login for api.here.example that is not the current one" in text
        assert home.load(PULUMI_ACCESS_TOKEN=SECRET, PULUMI_API=HERE).api_url == HERE
        # A stored token is only ever sent where it belongs.
        settings = home.load()
        assert settings.api_url == DEFAULT_API_URL
        assert settings.token_origin is TokenOrigin.LOGIN

    @pytest.mark.parametrize("current", ["api.here.example", "htps://here", 5, ["https://x"], {"a": 1}])
    def test_a_current_login_that_is_no_address_leads_nowhere(self, home: Folder, current: object) -> None:
        home.log_in({"current": current})
        assert "the current login in" in home.refused(PULUMI_ACCESS_TOKEN=SECRET)

    def test_without_any_login_the_managed_service_is_meant(self, home: Folder) -> None:
        logins: list[object] = [None, {}, {"current": ""}, {"current": DEFAULT_API_URL}, {"accessTokens": {}}]
        for content in logins:
            if content is not None:
                home.log_in(content)
            settings = home.load(PULUMI_ACCESS_TOKEN=SECRET)
            assert (settings.api_url, settings.token_origin) == (DEFAULT_API_URL, TokenOrigin.VARIABLE)

    @pytest.mark.parametrize("name", ["PULUMI_API", "PULUMI_BACKEND_URL"])
    @pytest.mark.parametrize(
        "text", ["api.here.example", "htps://x", "${URL}", "<url>", '""', "ftp://x", "x y"]
    )
    def test_one_that_is_not_understood_is_an_error_that_names_it(
        self, home: Folder, name: str, text: str
    ) -> None:
        assert f"environment variable {name} must be " in home.refused(
            **{name: text}, PULUMI_ACCESS_TOKEN=SECRET
        )

    @pytest.mark.parametrize("name", ["PULUMI_API", "PULUMI_BACKEND_URL"])
    @pytest.mark.parametrize("form", ["{}", '"{}"', "'{}'", " {}\n", "{}/", "{}//"])
    def test_what_is_around_it_is_taken_off(self, home: Folder, name: str, form: str) -> None:
        settings = home.load(**{name: form.format(HERE)})
        assert (settings.api_url, settings.sources["api_url"]) == (HERE, f"environment variable {name}")

    @pytest.mark.parametrize("name", ["PULUMI_HOME", "PULUMI_CREDENTIALS_PATH"])
    def test_a_folder_is_where_the_variable_says(self, home: Folder, name: str) -> None:
        (home.path / "there").mkdir()
        home.write("there/credentials.json", PLAIN)
        home.write("there/config.json", {"backends": {HERE: {"defaultOrg": "acme"}}})
        for form in ("~/there", '"~/there"', f" {home.path}/there\n", f"'{home.path}/there/'"):
            settings = home.load(**{name: form})
            # The configuration file is beside it, as the vendor's client has it.
            assert (settings.api_url, settings.organization) == (HERE, "acme")
        for form in ("${HOME}/there", "$HOME", "<folder>"):
            assert f"environment variable {name} holds a placeholder" in home.refused(**{name: form})


ODD_NAMES = ("a/b", "..", "a b", "acme;", "${ORG}", "<org>", "é", "-acme", "a" * 200, '""', "%ORG%", "[]")


class TestOrganization:
    @pytest.mark.parametrize("text", ODD_NAMES)
    @pytest.mark.parametrize("name", ["NEO_MCP_ORGANIZATION", "PULUMI_DEFAULT_ORGANIZATION"])
    def test_one_that_cannot_be_is_an_error_that_names_the_variable(
        self, home: Folder, name: str, text: str
    ) -> None:
        assert f"environment variable {name} must be " in home.refused(**{name: text})

    @pytest.mark.parametrize("text", ODD_NAMES)
    def test_or_the_file(self, home: Folder, text: str) -> None:
        file = home.write(".pulumi/config.json", {"backends": {DEFAULT_API_URL: {"defaultOrg": text}}})
        assert f"file {file} must be " in home.refused()
        assert home.load(NEO_MCP_ORGANIZATION="acme").organization == "acme"

    @pytest.mark.parametrize("form", ["acme", '"acme"', "'acme'", " acme\n"])
    def test_quotes_and_blanks_are_taken_off_everywhere(self, home: Folder, form: str) -> None:
        for name in ("NEO_MCP_ORGANIZATION", "PULUMI_DEFAULT_ORGANIZATION"):
            settings = home.load(**{name: form})
            assert (settings.organization, settings.sources["organization"]) == (
                "acme",
                f"environment variable {name}",
            )
        file = home.write(".pulumi/config.json", {"backends": {DEFAULT_API_URL: {"defaultOrg": form}}})
        settings = home.load()
        assert (settings.organization, settings.sources["organization"]) == ("acme", f"file {file}")

    @pytest.mark.parametrize("hint", [Hint.CHECK_ACCESS, Hint.CHECK_ID])
    def test_one_that_is_refused_is_named_with_its_source(self, home: Folder, hint: Hint) -> None:
        words = worded(LIBRARY, home.load(PULUMI_DEFAULT_ORGANIZATION="acme"))[hint]
        assert words.endswith("use acme, which is from the environment variable PULUMI_DEFAULT_ORGANIZATION.")
        assert worded(LIBRARY, home.load())[hint] == LIBRARY[hint]


class TestFallback:
    @pytest.mark.parametrize(
        "given",
        ["", " ", '""', "''", "\ufeff", "${TOKEN}", "$TOKEN", "%TOKEN%", "{{ token }}", "${{ secrets.T }}"],
    )
    def test_a_variable_without_a_value_is_told_of_and_who_acts(self, home: Folder, given: str) -> None:
        content = json.loads(PLAIN) | {"accounts": {HERE: {"username": "alice"}}}
        home.log_in(content)
        settings = home.load(PULUMI_ACCESS_TOKEN=given)
        assert settings.is_fallback
        assert settings.token_origin is TokenOrigin.LOGIN
        (warning,) = settings.warnings
        assert f"environment variable {TOKEN_ENV}" in warning
        assert warning.endswith("The login of `pulumi login` is, as alice.")
        home.login.unlink()
        settings = home.load(PULUMI_ACCESS_TOKEN=given)
        assert (settings.is_fallback, settings.token) == (False, None)
        assert settings.no_token.startswith(f"The environment variable {TOKEN_ENV} ")
        assert settings.no_token.endswith(f"Run `pulumi login {DEFAULT_API_URL}`, or set {TOKEN_ENV}.")

    def test_a_token_of_its_own_is_no_fallback(self, home: Folder) -> None:
        home.log_in(PLAIN)
        assert not home.load().is_fallback
        assert not home.load(PULUMI_ACCESS_TOKEN=SECRET).is_fallback
        file = home.write("token", SECRET)
        assert not home.load(PULUMI_ACCESS_TOKEN="", NEO_MCP_TOKEN_FILE=str(file)).is_fallback


def test_a_token_that_is_refused_is_replaced_where_it_is_from(home: Folder) -> None:
    home.log_in(PLAIN)
    file = home.write("token", SECRET)

    def advice(**environ: str) -> str:
        return worded(LIBRARY, home.load(**environ))[Hint.REPLACE_TOKEN]

    assert advice() == f"The token is from the file {home.login}: run `pulumi login {HERE}` again."
    assert f"Set {TOKEN_ENV} to a token from the Pulumi Cloud console" in advice(PULUMI_ACCESS_TOKEN=SECRET)
    assert "to log in again changes nothing" in advice(PULUMI_ACCESS_TOKEN=SECRET)
    assert f"from the file {file}" in advice(NEO_MCP_TOKEN_FILE=str(file))
    home.login.unlink()
    assert advice() == LIBRARY[Hint.REPLACE_TOKEN]


def test_an_unchecked_certificate_of_the_vendors_client_is_told_of(home: Folder) -> None:
    content = json.loads(PLAIN)
    for insecure in (True, False, "true", None):
        home.log_in(content | {"accounts": {HERE: {"insecure": insecure}}})
        words = worded(LIBRARY, home.load())[Hint.TRUST_CERTIFICATE]
        assert ("`pulumi login --insecure`" in words) is (insecure is True)
        assert "SSL_CERT_FILE" in words


def test_a_key_that_everybody_knows_is_refused(home: Folder) -> None:
    for content in ("${NEO_MCP_SECRET_KEY_OF_THIS_CLUSTER}", '"${NEO_MCP_SECRET_KEY_OF_THIS_CLUSTER}"\n'):
        file = home.write("key", content)
        assert f"The key file {file} holds the name of a variable" in home.refused(NEO_MCP_KEY_FILE=str(file))
