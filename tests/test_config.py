"""Where settings come from, and what becomes of broken ones."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest

from neo_mcp.config import (
    DEFAULT_API_URL,
    SETTINGS,
    Answerer,
    ApprovalPolicy,
    Auth,
    Setting,
    Settings,
    load_settings,
)
from neo_mcp.errors import ConfigurationError
from neo_mcp.secret import SecretBytes

HERE = "https://api.here.example"
OTHER = "https://api.other.example"
SECRET = "pul-canary-1"

PLACEHOLDERS = [
    *("${PULUMI_ACCESS_TOKEN}", "%PULUMI_ACCESS_TOKEN%", "$env:PULUMI_ACCESS_TOKEN", "env:TOKEN"),
    *("__TOKEN__", "#{TOKEN}#", "{{TOKEN}}"),
]


class Home:
    """A home directory with what `pulumi login` leaves there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / ".pulumi").mkdir()

    def write(self, name: str, content: object, mode: int = 0o600) -> Path:
        file = self.path / ".pulumi" / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        file.chmod(mode)
        return file

    def load(self, environ: dict[str, str] | None = None, **flags: str) -> Settings:
        return load_settings(environ or {}, flags, home=self.path)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def valid_texts(tmp_path: Path) -> dict[str, str]:
    """A value of every setting that is not the default."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "tokens").mkdir(mode=0o700)
    (tmp_path / "key").write_text("k" * 32)
    (tmp_path / "key").chmod(0o600)
    return {
        "api_url": HERE,
        "organization": "acme",
        "token_file": str(tmp_path / "token"),
        "approvals": "Host",
        "questions": "person",
        "protected_stacks": "*/prod, payments/*",
        "read_only": "yes",
        "key_file": str(tmp_path / "key"),
        "generation": "second",
        "call_timeout": "5",
        "create_timeout": "60",
        "wait_seconds": "10",
        "budget_tokens": "2000",
        "max_event_mib": "4",
        "max_answer_mib": "8",
        "auth": "Bearer",
        "auth_secret_file": str(tmp_path / "token"),
        "oauth_issuer": "https://issuer.example",
        "oauth_audience": "https://neo.example/mcp",
        "oauth_scopes": "neo:use, profile",
        "oauth_jwks_url": "https://issuer.example/keys",
        "token_store": str(tmp_path / "tokens"),
        "pulumi_token_header": "no",
        "public_url": "https://neo.example/mcp",
        "allowed_hosts": "a.example, b.example:80",
        "allowed_origins": "https://chat.example",
        "trusted_proxies": "10.0.0.0/8, ::1",
        "quota": "50",
        "metrics_address": "[::1]:9464",
        "log_level": "DEBUG",
        "log_format": "JSON",
    }


def token(settings: Settings) -> str | None:
    return settings.token.get_secret_value() if settings.token else None


def test_without_anything_the_defaults_hold(home: Home) -> None:
    settings = home.load()
    assert settings == Settings()
    assert settings.api_url == DEFAULT_API_URL


class TestOrderOfSources:
    def test_the_command_line_wins_over_the_environment_and_that_over_files(self, home: Home) -> None:
        home.write("credentials.json", {"current": HERE})
        home.write("config.json", {"backends": {HERE: {"defaultOrg": "from-file"}}})
        assert home.load().organization == "from-file"
        environ = {"NEO_MCP_ORGANIZATION": "from-environment", "PULUMI_BACKEND_URL": OTHER}
        assert home.load(environ).organization == "from-environment"
        settings = home.load(environ, organization="from-flag")
        assert (settings.organization, settings.api_url) == ("from-flag", OTHER)
        assert settings.sources["organization"] == "command line --organization"
        assert settings.sources["api_url"] == "environment variable PULUMI_BACKEND_URL"

    def test_an_empty_value_counts_as_absent(self, home: Home) -> None:
        assert home.load({"NEO_MCP_ORGANIZATION": " ", "NEO_MCP_WAIT_SECONDS": ""}) == Settings()

    @pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
    @pytest.mark.parametrize("text", ["", " ", "\t\n"])
    def test_an_empty_option_is_an_error_and_never_undoes_a_variable(
        self, home: Home, name: str, text: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=f"--{name.replace('_', '-')} must not be empty"):
            home.load({"NEO_MCP_APPROVALS": "deny"}, **{name: text})

    def test_every_setting_can_be_given_either_way(self, home: Home, tmp_path: Path) -> None:
        texts = valid_texts(tmp_path)
        assert set(texts) == {setting.name for setting in SETTINGS}
        by_environment = home.load({s.env: texts[s.name] for s in SETTINGS})
        by_flags = home.load(None, **texts)
        assert by_environment.approvals is ApprovalPolicy.HOST
        assert by_environment.budget_tokens == 2000
        assert by_environment.protected_stacks == ("*/prod", "payments/*")
        assert by_environment.read_only is True
        assert by_environment.auth is Auth.BEARER
        assert by_environment.oauth_scopes == ("neo:use", "profile")
        assert by_environment.allowed_hosts == ("a.example", "b.example:80")
        assert by_environment.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
        assert by_environment.quota == 50
        assert by_environment.key == SecretBytes(b"k" * 32)
        for name in Settings._fields:
            if name != "sources":
                assert getattr(by_environment, name) == getattr(by_flags, name)

    @pytest.mark.parametrize(
        "around",
        [" {}\r\n", '"{}"', "'{}'", ' "{}" ', "\ufeff{}", "\u00a0{}\u200b", "\u201c{}\u201d", "`{}`"],
    )
    def test_what_is_around_a_value_is_not_part_of_it(self, home: Home, tmp_path: Path, around: str) -> None:
        for name, text in valid_texts(tmp_path).items():
            plain, marked = home.load(None, **{name: text}), home.load(None, **{name: around.format(text)})
            assert plain == marked, name

    def test_pulumi_home_may_be_elsewhere(self, home: Home, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "credentials.json").write_text(json.dumps({"current": OTHER}))
        assert home.load({"PULUMI_HOME": str(elsewhere)}).api_url == OTHER

    def test_a_process_without_a_home_directory_is_served(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def homeless() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", homeless)
        assert load_settings({"PULUMI_HOME": "/nowhere"}) == Settings()
        assert load_settings({}) == Settings()


class TestToken:
    def test_it_is_taken_from_the_login_in_use(self, home: Home) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE + "/": SECRET}})
        settings = home.load()
        assert (settings.api_url, token(settings)) == (HERE, SECRET)

    def test_older_files_keep_it_with_the_account(self, home: Home) -> None:
        home.write("credentials.json", {"current": HERE, "accounts": {HERE: {"accessToken": SECRET}}})
        assert token(home.load()) == SECRET

    def test_that_of_another_address_is_never_used(self, home: Home) -> None:
        content = {
            "current": OTHER,
            "accessTokens": {
                OTHER: SECRET,
                "http://api.here.example": SECRET,
                HERE + ".evil.example": SECRET,
            },
            "accounts": {OTHER: {"accessToken": SECRET}},
        }
        home.write("credentials.json", content)
        for given in (HERE, HERE + ":444", HERE + "/prefix"):
            assert home.load({"PULUMI_BACKEND_URL": given}).token is None

    def test_the_address_is_compared_without_regard_to_case(self, home: Home) -> None:
        home.write("credentials.json", {"accessTokens": {HERE: SECRET}})
        assert token(home.load({"PULUMI_BACKEND_URL": "HTTPS://API.Here.Example/"})) == SECRET

    def test_the_environment_wins_over_the_login(self, home: Home) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE: "pul-old"}})
        settings = home.load({"PULUMI_ACCESS_TOKEN": f" {SECRET}\n"})
        assert token(settings) == SECRET
        assert settings.sources["token"] == "environment variable PULUMI_ACCESS_TOKEN"

    def test_a_file_wins_over_both(self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "token").write_text(SECRET + "\n")
        (tmp_path / "token").chmod(0o600)
        for path in (str(tmp_path / "token"), "~/token"):
            settings = home.load({"NEO_MCP_TOKEN_FILE": path, "PULUMI_ACCESS_TOKEN": "pul-old"})
            assert token(settings) == SECRET
            assert settings.warnings == ()

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
    def test_a_file_that_holds_none_is_an_error(
        self, home: Home, tmp_path: Path, content: bytes | None
    ) -> None:
        file = tmp_path / "token"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigurationError, match="token file"):
            home.load({"NEO_MCP_TOKEN_FILE": str(file)})

    @pytest.mark.parametrize("given", [*PLACEHOLDERS, '""', " ", "\u200b"])
    def test_a_variable_without_a_value_falls_through_to_the_login(self, home: Home, given: str) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE: SECRET}})
        settings = home.load({"PULUMI_ACCESS_TOKEN": given})
        assert token(settings) == SECRET
        (warning,) = settings.warnings
        assert "environment variable PULUMI_ACCESS_TOKEN" in warning
        assert "The login of `pulumi login` is." in warning

    @pytest.mark.parametrize(
        "given",
        [
            *("null", "<your-token>", f"PULUMI_ACCESS_TOKEN={SECRET}", f"Bearer {SECRET}", "changeme", "***"),
            *(
                "/run/secrets/t",
                "@token.txt",
                "op://vault/x",
                f'{{"accessToken":"{SECRET}"}}',
                "pul-xxxxxxxx",
            ),
        ],
    )
    def test_anything_else_that_is_none_acts_as_nobody(self, home: Home, tmp_path: Path, given: str) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE: SECRET}})
        with pytest.raises(
            ConfigurationError, match="environment variable PULUMI_ACCESS_TOKEN cannot hold"
        ) as caught:
            home.load({"PULUMI_ACCESS_TOKEN": given})
        file = tmp_path / "token"
        file.write_text(given)
        with pytest.raises(ConfigurationError, match=r"token file .* cannot hold"):
            home.load({"NEO_MCP_TOKEN_FILE": str(file)})
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize("form", ['"{}"', "\ufeff{}\r\n", " {} "])
    def test_what_is_around_it_is_taken_off(self, home: Home, tmp_path: Path, form: str) -> None:
        file = tmp_path / "token"
        file.write_text(form.format(SECRET), "utf-8")
        file.chmod(0o600)
        assert token(home.load({"PULUMI_ACCESS_TOKEN": form.format(SECRET)})) == SECRET
        assert token(home.load({"NEO_MCP_TOKEN_FILE": str(file)})) == SECRET

    @pytest.mark.parametrize("folder", ["~/elsewhere", "{}/elsewhere"])
    def test_the_login_is_where_the_vendors_client_has_it(
        self, home: Home, tmp_path: Path, folder: str
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        file = tmp_path / "elsewhere" / "credentials.json"
        file.write_text(json.dumps({"current": HERE, "accessTokens": {HERE: SECRET}}))
        file.chmod(0o600)
        settings = home.load({"PULUMI_CREDENTIALS_PATH": folder.format(tmp_path)})
        assert (settings.api_url, token(settings)) == (HERE, SECRET)
        assert settings.sources["token"] == f"file {file}"

    def test_the_vendors_variables_count_in_its_order(self, home: Home) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE: SECRET}})
        home.write("config.json", {"backends": {HERE: {"defaultOrg": "from-the-file"}}})
        assert home.load().organization == "from-the-file"
        settings = home.load({"PULUMI_DEFAULT_ORGANIZATION": "from-the-variable"})
        assert settings.organization == "from-the-variable"
        assert settings.sources["organization"] == "environment variable PULUMI_DEFAULT_ORGANIZATION"
        given = {"PULUMI_DEFAULT_ORGANIZATION": "x", "NEO_MCP_ORGANIZATION": "ours"}
        assert home.load(given).organization == "ours"
        settings = home.load({"PULUMI_API": "https://api.elsewhere.example/"})
        assert (settings.api_url, settings.token) == ("https://api.elsewhere.example", None)
        given = {"PULUMI_API": "https://api.elsewhere.example", "PULUMI_BACKEND_URL": HERE}
        assert home.load(given).api_url == HERE

    def test_it_is_in_no_representation(self, home: Home) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE: SECRET}}, 0o644)
        settings = home.load()
        assert token(settings) == SECRET
        assert SECRET not in repr(settings) + str(settings) + repr(settings.sources)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
    def test_a_file_that_others_can_read_is_told(self, home: Home, mode: int) -> None:
        file = home.write("credentials.json", {"current": HERE}, mode)
        (warning,) = home.load().warnings
        assert f"chmod 600 {file}" in warning


class TestSharing:
    @pytest.mark.parametrize("shared", [{"auth": "oauth"}, {"pulumi_token_header": "true"}])
    def test_what_is_the_operators_own_is_not_for_others(
        self, home: Home, tmp_path: Path, shared: dict[str, str]
    ) -> None:
        """Not even read: neither the token nor the default organization."""
        (tmp_path / "token").write_text(SECRET)
        home.write("credentials.json", {"current": HERE, "accessTokens": {HERE: SECRET}})
        home.write("config.json", {"backends": {HERE: {"defaultOrg": "mine"}}})
        settings = home.load({"PULUMI_ACCESS_TOKEN": SECRET}, token_file=str(tmp_path / "token"), **shared)
        assert settings.is_shared
        assert settings.api_url == HERE
        assert (token(settings), settings.organization) == (None, None)
        assert home.load({}, organization="acme", **shared).organization == "acme"

    def test_a_folder_that_others_can_read_is_told(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "tokens").mkdir(mode=0o755)
        (warning,) = home.load(auth="oauth", token_store=str(tmp_path / "tokens")).warnings
        assert "chmod 700" in warning


class TestAddress:
    @pytest.mark.parametrize("url", ["s3://bucket", "file://~", "gs://bucket", "azblob://x", "postgres://db"])
    def test_a_state_backend_is_passed_over_with_a_warning(self, home: Home, url: str) -> None:
        settings = home.load({"PULUMI_BACKEND_URL": url, "PULUMI_ACCESS_TOKEN": SECRET})
        assert settings.api_url == DEFAULT_API_URL
        assert "PULUMI_BACKEND_URL" in settings.warnings[0]
        assert "api_url" not in settings.sources
        home.write("credentials.json", {"current": url})
        assert home.load().api_url == DEFAULT_API_URL

    @pytest.mark.parametrize("url", ["api.here.example", "htps://api.here.example", "here"])
    def test_a_mistyped_one_never_sends_the_token_elsewhere(self, home: Home, url: str) -> None:
        with pytest.raises(ConfigurationError, match="PULUMI_BACKEND_URL must be an https address"):
            home.load({"PULUMI_BACKEND_URL": url, "PULUMI_ACCESS_TOKEN": SECRET})

    def test_one_that_cannot_be_parsed_is_left_to_the_client(self, home: Home) -> None:
        home.write("credentials.json", {"accessTokens": {"http://[": SECRET}})
        assert home.load({"PULUMI_BACKEND_URL": "http://["}).api_url == "http://["


class TestBrokenFiles:
    @pytest.mark.parametrize("content", ["", " \n", "{", "\x00", "[" * 100_000, "[]", '"text"', "null"])
    def test_they_are_told_and_not_used(self, home: Home, content: str) -> None:
        for name in ("credentials.json", "config.json"):
            home.write(name, content)
        settings = home.load({"PULUMI_ACCESS_TOKEN": SECRET, "PULUMI_API": DEFAULT_API_URL})
        assert (settings.api_url, token(settings)) == (DEFAULT_API_URL, SECRET)
        assert len(settings.warnings) == 2
        assert all("not used" in warning for warning in settings.warnings)

    @pytest.mark.parametrize("odd", [None, 1, "text", [], {HERE: 1}, {HERE: {}}, {HERE: None}, {HERE: []}])
    def test_odd_shapes_are_as_good_as_absent(self, home: Home, odd: object) -> None:
        home.write("credentials.json", {"current": HERE, "accessTokens": odd, "accounts": odd})
        home.write("config.json", {"backends": odd})
        settings = home.load()
        assert settings.api_url == HERE
        assert token(settings) in {None, "text"}
        assert settings.organization is None

    @pytest.mark.parametrize("current", [None, 1, [], {}])
    def test_an_odd_current_login_is_none(self, home: Home, current: object) -> None:
        home.write("credentials.json", {"current": current})
        assert home.load().api_url == DEFAULT_API_URL


@pytest.mark.parametrize(
    ("env", "text", "says"),
    [
        ("NEO_MCP_APPROVALS", "yes", "one of ask, host, deny"),
        ("NEO_MCP_GENERATION", "third", "one of auto, first, second"),
        ("NEO_MCP_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("NEO_MCP_CALL_TIMEOUT", "soon", "a number from 1 to 600"),
        ("NEO_MCP_CALL_TIMEOUT", "nan", "a number from 1 to 600"),
        ("NEO_MCP_WAIT_SECONDS", "-1", "a number from 1 to 3600"),
        ("NEO_MCP_BUDGET_TOKENS", "1e9", "a number from 1000 to 20000"),
        ("NEO_MCP_MAX_EVENT_MIB", "inf", "a number from 1 to 1024"),
    ],
)
def test_a_bad_value_is_an_error_that_says_what_is_allowed(
    home: Home, env: str, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        home.load({env: text})
    assert f"environment variable {env} must be {says}, not {text!r}." == str(caught.value)


class TestKeyFile:
    def test_a_short_key_is_refused_with_how_to_make_one(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("short")
        with pytest.raises(ConfigurationError, match="token_hex"):
            home.load(key_file=str(tmp_path / "key"))

    def test_a_missing_key_is_refused(self, home: Home, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read"):
            home.load(key_file=str(tmp_path / "key"))

    def test_a_key_that_others_can_read_is_warned_of(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("k" * 40)
        (tmp_path / "key").chmod(0o644)
        assert "chmod 600" in home.load(key_file=str(tmp_path / "key")).warnings[0]


def test_a_switch_is_true_or_false_and_nothing_else(home: Home) -> None:
    assert home.load(read_only="on").read_only is True
    assert home.load({"NEO_MCP_READ_ONLY": "0"}).read_only is False
    with pytest.raises(ConfigurationError, match="true or false"):
        home.load(read_only="perhaps")


SAFETY = ("approvals", "questions", "read_only", "auth", "protected_stacks", "pulumi_token_header")


class TestSafety:
    """A setting that keeps people safe is understood or stops the start; it is never silently the default."""

    @pytest.mark.parametrize("around", ["{}", " {}\n", '"{}"', "'{}'", "\"'{}'\"", "' {} '"])
    def test_quotes_and_blanks_around_a_value_are_not_part_of_it(self, home: Home, around: str) -> None:
        def given(name: str, value: str) -> Settings:
            return home.load({f"NEO_MCP_{name}": around.format(value)})

        assert given("APPROVALS", "Deny").approvals is ApprovalPolicy.DENY
        assert given("QUESTIONS", "PERSON").questions is Answerer.PERSON
        assert given("READ_ONLY", "True").read_only is True
        assert given("AUTH", "Bearer").auth is Auth.BEARER
        assert given("OAUTH_SCOPES", "neo:use").oauth_scopes == ("neo:use",)
        assert given("ALLOWED_HOSTS", "a.example").allowed_hosts == ("a.example",)
        assert given("ORGANIZATION", "acme").organization == "acme"

    @pytest.mark.parametrize("name", SAFETY)
    @pytest.mark.parametrize(
        "text",
        ["${X}", "$X", "%X%", "<x>", "$(x)", "{{ x }}", "''", "[]", "x;y", "ask deny", "denied!", "?"],
    )
    def test_what_is_not_understood_is_an_error(self, home: Home, name: str, text: str) -> None:
        with pytest.raises(ConfigurationError, match=f"NEO_MCP_{name.upper()} must be "):
            home.load({f"NEO_MCP_{name.upper()}": text})
        with pytest.raises(ConfigurationError, match="command line --"):
            home.load(None, **{name: text})

    @pytest.mark.parametrize("name", ["oauth_scopes", "allowed_hosts", "allowed_origins"])
    @pytest.mark.parametrize("text", [",", "''", " , ,", "${X}", "a,'b' c'", '["a"]', "a;b"])
    def test_a_list_of_nothing_or_of_fragments_is_an_error(self, home: Home, name: str, text: str) -> None:
        with pytest.raises(ConfigurationError, match="must be a"):
            home.load(None, **{name: text})

    @pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
    def test_a_placeholder_is_no_value_of_any_setting(self, home: Home, setting: Setting) -> None:
        with pytest.raises(ConfigurationError):
            home.load({setting.env: "${user_config.something}"})
        for form in ("$env:X", "env:X", "__X__", "#{X}#", "%X%", "{{X}}", "<x>"):
            with pytest.raises(ConfigurationError, match=setting.env):
                home.load({setting.env: f'"{form}"'})

    @pytest.mark.parametrize("name", ["NEO_MCP_ORGANIZATION", "PULUMI_DEFAULT_ORGANIZATION"])
    @pytest.mark.parametrize("text", ["null", "None", "undefined", '"nil"', "${ORG}"])
    def test_a_word_for_nothing_is_no_organization(self, home: Home, name: str, text: str) -> None:
        with pytest.raises(ConfigurationError, match=f"environment variable {name} must be "):
            home.load({name: text})


class TestUnknownVariables:
    @pytest.mark.parametrize(
        ("name", "nearest"),
        [
            ("NEO_MCP_READONLY", "NEO_MCP_READ_ONLY"),
            ("NEO_MCP_APPROVAL", "NEO_MCP_APPROVALS"),
            ("NEO_MCP_APROVALS", "NEO_MCP_APPROVALS"),
            ("NEO_MCP_PROTECTED_STACK", "NEO_MCP_PROTECTED_STACKS"),
            ("NEO_MCP_QUESTION", "NEO_MCP_QUESTIONS"),
            ("neo_mcp_read_only", "NEO_MCP_READ_ONLY"),
            ("Neo_Mcp_Auth", "NEO_MCP_AUTH"),
            ("NEOMCP_APPROVALS", "NEO_MCP_APPROVALS"),
            ("NEO-MCP-APPROVALS", "NEO_MCP_APPROVALS"),
            ("PULUMI_NEO_MCP_READ_ONLY", "NEO_MCP_READ_ONLY"),
            ("NEO_MCP_ORG", ""),
            ("NEO_MCP_", ""),
            ("NEO_MCP_FOO\x1b[8m", ""),
            ("NEO_MCP_PORT", ""),
        ],
    )
    def test_it_is_warned_of_with_the_nearest_setting(self, home: Home, name: str, nearest: str) -> None:
        (warning,) = home.load({name: "canary"}).warnings
        assert f"{name!a} is no setting" in warning
        assert "canary" not in warning
        assert nearest in warning
        assert ("did you mean" in warning) is bool(nearest)

    def test_settings_and_what_is_not_ours_are_not_warned_of(self, home: Home) -> None:
        others = {
            "PATH": "/bin",
            "NEO_MCP_SERVICE_HOST": "10.0.0.1",
            "NEO_MCP_SERVICE_PORT_HTTP": "80",
            "NEO_MCP_PORT": "tcp://10.0.0.1:80",
            "NEO_MCP_PORT_80_TCP_ADDR": "10.0.0.1",
        }
        assert home.load({**{s.env: "" for s in SETTINGS}, **others}).warnings == ()
