"""Values that are beside the name of a secret in every way that programs and documents put them there."""

import json

import pytest

from neo_mcp.core.members import mask_members
from neo_mcp.core.sanitize import clean, redacted_json
from tests.support.examples import some

SECRETS = ("hunter2xq", "swordfish9z")
NAMES = [
    ("secret", "SECRET", "Secret"),
    ("password", "PASSWORD", "Password"),
    ("db_password", "DB_PASSWORD", "DbPassword"),
    ("apiKey", "API_KEY", "ApiKey"),
]

TEXTS = {
    "yaml": [
        "spec:\n  stringData:\n    {n}: >\n      {V}\n  x: y",
        "auth: {user: a, {n}: {V}, host: b}",
        '"{n}":\n  default: {V}',
        "db:\n  - name: x\n    {n}: '{V}'",
        "{n}: {V}\n  {W}\nnext: 1",
        "{n}:\n  {V}\n  {W}\nnext: 1",
        "{n}: >-\n  {V}\n  {W}\n",
        "{n}: |\n  {V}\n\n  {W}\nnext: 1",
        "- {n}: >-\n    {V}\n    {W}\n- x: y",
        "- |\n  x\n- {n}: |-\n    {V}\n  b: c",
        "{n}:\n  - >-\n    {V}\n    {W}\n  - |\n    {V}\nnext: x",
        "{n}:\n- |\n  {V}\n  {W}\n- {V}\nnext: x",
        "{n}:\n- {V}\n- {W}\nnext: x",
        "a:\n  {n}: {V} word\n    {W} word\n  b: c",
        "{n}: {V}\n\n  {W}\nnext: 1",
        "{n}: !!str {V}\n  {W}",
        "{n}: &a >-\n  {V}\n  {W}",
        "list:\n  - name: x\n    {n}: {V}\n      {W}\n  - name: y",
        '"{n}": {V}\n  {W}\nnext: 1',
        "'{n}': |\n  {V}\n  {W}\nnext: 1",
        '"{n}":\n  {V}\n  {W}\nnext: 1',
        '"{n}": >-\n  {V}\n',
        "env:\n  - name: A\n    value: >-\n      {V}\n      {W}\n",
        "env:\n  - name: A\n    value: {V}\n      {W}\n",
        "environment:\n  A: |\n    {V}\n    {W}\n  B: {V}\n   {W}\n",
        "env:\n  - name: {N}\n    value: |\n      {V}\n  - name: B\n    value: {V}",
        "-   {n}: {V}\n      {W}\n",
        "? {n}\n: {V}\n  {W}\n",
        "{n}: # comment\n  {V}\n  {W}\n",
        "{n}: |  # comment\n  {V}\n  {W}\n",
        "{n}: {V}\n   {W}: x\nnext: 1",
        "- - {n}: {V}\n      {W}\n",
        "{n}:\n\n  {V}\n\n  {W}\n",
        "x:\n  - {n}:\n      {V}\n    y: 1",
        "{n}:\n  - {V}\n    {W}\n  - x",
    ],
    "defaults": [
        '{n} = os.environ.get("X") or "{V}"',
        '  {n}: process.env.X || "{V}",',
        '{n}: cfg.get("x") ?? "{V}",',
        "x = os.environ.get('{N}') if y else '{V}'",
        'x = System.getenv("{N}") != null ? System.getenv("{N}") : "{V}";',
        'config.get("{n}", { default: "{V}" })',
        'click.option("--{n}", default="{V}", help="x")',
        'variable "{n}" {\n  type = string\n  default = "{V}"\n}',
        'std::env::var("{N}").unwrap_or_else(|_| "{V}".into())',
        '@Value("${db.{n}:{V}}")',
        'new pulumi.Config().get("{n}") ?? "{V}"',
        'os.getenv("{N}", "{V}")',
        "os.getenv('{N}', '{V}')",
        'x = os.environ.get("{N}", "{V}")',
        'os.environ.get("{N}") or "{V}"',
        'os.environ["{N}"] or "{V}"',
        'process.env.{N} || "{V}"',
        "process.env.{N} ?? '{V}'",
        'process.env["{N}"] || "{V}"',
        'process.env.{N}||"{V}"',
        "process.env.{N} || `{V}`",
        'process.env.{N} ? process.env.{N} : "{V}"',
        'ENV.fetch("{N}", "{V}")',
        "ENV.fetch('{N}') { '{V}' }",
        'ENV["{N}"] || "{V}"',
        'config.get("{n}", "{V}")',
        'config.get("{n}") || "{V}"',
        'config.get("{n}") ?? "{V}"',
        'cfg.Get("{n}", "{V}")',
        'getenv("{N}") ?: "{V}"',
        "env('{N}', '{V}')",
        'System.getenv().getOrDefault("{N}", "{V}")',
        'System.getProperty("{n}", "{V}")',
        'Environment.GetEnvironmentVariable("{N}") ?? "{V}"',
        'os.getenv("{N}", default="{V}")',
        'os.getenv(\n    "{N}",\n    "{V}",\n)',
        'config("{N}", default="{V}")',
        'settings.get("app.{n}", "{V}")',
        "${{N}:-{V}}",
        "${{N}:={V}}",
        '"${{N}:-{V}}"',
        "${{n}:{V}}",
        "${{N}-{V}}",
        'getEnv("{N}", "{V}")',
        'viper.SetDefault("{n}", "{V}")',
        'environ.get("{N}", b"{V}")',
        'os.getenv("{N}", f"{V}")',
        'val {n} = sys.env.getOrElse("{N}", "{V}")',
        'config.get<string>("{n}") || "{V}"',
        'x = data.get("{n}", "{V}")',
        'data.setdefault("{n}", "{V}")',
        'std::env::var("{N}").unwrap_or("{V}".to_string())',
        'parser.add_argument("--{n}", default="{V}")',
    ],
    "xml": [
        '<{n}\n  type="x">{V}</{n}>',
        "<tr><td>{C}</td><td><code>{V}</code></td></tr>",
        "<strong>{C}:</strong> <code>{V}</code>",
        "<a><env-name>{n}</env-name><env-value>{V}</env-value></a>",
        "<tr><td>{C}</td><td>{V}</td></tr>",
        '<add connectionString="Server=a;{C}={V};User=b"/>',
        '<user {n}="{V}"/>',
        "<user {n}='{V}'/>",
        '<user name="a" {n}="{V}" x="y"/>',
        '<user {n} = "{V}">',
        "<{n}>{V}</{n}>",
        "<{n}>\n  {V}\n</{n}>",
        "<x:{n}>{V}</x:{n}>",
        '<{n} type="s">{V}</{n}>',
        "<{n}><![CDATA[{V}]]></{n}>",
        '<add key="{C}" value="{V}"/>',
        '<add key="{C}"\n  value="{V}"/>',
        '<add value="{V}" key="{C}"/>',
        '<property name="{n}" value="{V}"/>',
        '<property name="{n}">{V}</property>',
        '<property name="db.{n}">{V}</property>',
        '<property name="{n}">\n  <value>{V}</value>\n</property>',
        '<entry key="{n}">{V}</entry>',
        '<entry key="{n}" value="{V}" />',
        '<setting name="{C}"><value>{V}</value></setting>',
        '<setting name="{C}" serializeAs="String">\n <value>{V}</value>\n</setting>',
        "<key>{n}</key><string>{V}</string>",
        "<key>{n}</key>\n<string>{V}</string>",
        "<name>{n}</name>\n<value>{V}</value>",
        '<param name="{n}" value="{V}"></param>',
        '<env name="{N}" value="{V}"/>',
        '<connection\n  {n}="{V}"\n  user="x"/>',
        "&lt;user {n}=&quot;{V}&quot;/&gt;",
        "&lt;{n}&gt;{V}&lt;/{n}&gt;",
        '<input type="password" name="{n}" value="{V}">',
        '+ <user {n}="{V}"/>',
        '<user {n}="{V}',
        "<{n}>{V}</{n}> <{n}>{W}</{n}>",
        '<variable name="{n}" type="s" value="{V}"/>',
        "<{C}>{V}</{C}>",
        "<server><username>a</username><{n}>{V}</{n}></server>",
        "<property name='{n}' value='{V}'/>",
        '<add name="{C}" value="{V}"/>',
        "<{n}\n>{V}</{n}>",
        '<item key="{n}" xsi:type="string">{V}</item>',
    ],
    "markdown": [
        "{n} | user\n--- | ---\n{V} | x\n{W} | y",
        "+------+------+\n| user | {n} |\n+======+======+\n| x | {V} |",
        "user | {n}\n--- | ---\nx | {V}\ny | {W}",
        " user | {n}\n------+----------\n x    | {V}\n y z  | {W}\n(2 rows)",
        "* **Admin {C}:** {V}",
        "### Admin {n}\n\n`{V}`",
        "**{C}**\n\n`{V}`",
        "| {n} | {V} |",
        "| {n} | `{V}` |",
        "| **{n}** | {V} |",
        "| `{n}` | {V} |",
        "|{n}|{V}|",
        "| name | value |\n|---|---|\n| {n} | {V} |",
        "| user | {n} |\n|------|----------|\n| bob | {V} |\n| al | {W} |",
        "| {n} | {V} | a note |",
        "## {C}\n\n{V}\n",
        "## {C}\n{V}\n",
        "# {C}\n\n`{V}`\n",
        "### {C}:\n\n    {V}\n",
        "## {C}\n\n```\n{V}\n```\n",
        "{C}\n------\n{V}\n",
        "**{C}:** {V}",
        "**{C}**: {V}",
        "**{C}:** `{V}`",
        "- **{C}:** {V}",
        "* {C}: {V}",
        "- {C}: `{V}`",
        "1. {C}: {V}",
        "*{C}:* {V}",
        "__{C}:__ {V}",
        "_{C}_: {V}",
        "**{C}** = {V}",
        "**{C}**: **{V}**",
        "> **{C}:** {V}",
        "`{n}`: `{V}`",
        "<b>{C}:</b> {V}",
        "| {C}: | {V} |",
        "{C}: **{V}**",
        "| Key | Value |\n| :-- | --: |\n| {C} | **{V}** |",
        "{C}\n: {V}",
        "+ | {n} | {V} |",
        "  | {n} | {V} |",
        "+--+--+\n| {n} | {V} |\n+--+--+",
        "│ {n} │ {V} │",
    ],
    "typed": [
        'Dim {n} As String = "{V}"',
        'var {n}: String? = "{V}"',
        'const {n} string = "{V}"',
        'var {n} string = "{V}"',
        'let {n}: String = "{V}"',
        'private static final String {N} = "{V}";',
        'String {n} = "{V}";',
        'const {n}: string = "{V}";',
        'const {n} = "{V}"',
        'var {n} = "{V}"',
        'const char* {n} = "{V}";',
        'char {n}[] = "{V}";',
        'std::string {n} = "{V}";',
        'static const char *{N} = "{V}";',
        'const {n}: &str = "{V}";',
        'pub const {N}: &\'static str = "{V}";',
        'static {N}: &str = "{V}";',
        'val {n}: String = "{V}"',
        'private val {n}: String = "{V}"',
        'public string {C} { get; set; } = "{V}";',
        'string {n} = "{V}";',
        'const string {C} = "{V}";',
        '{n}: str = "{V}"',
        '{n}: Final[str] = "{V}"',
        '{n}: Optional[str] = "{V}"',
        'let mut {n}: String = String::from("{V}");',
        '${n} = "{V}";',
        'private string ${n} = "{V}";',
        'my ${n} = "{V}";',
        '{n} := "{V}"',
        'var (\n\t{n} string = "{V}"\n)',
        'const (\n  {n} = "{V}"\n)',
        '{n}, err := "{V}", nil',
        'public static readonly string {C} = @"{V}";',
        'let {n} = "{V}" as const;',
        'const {n}: Map<string, string> = "{V}"',
        '{n}: "{V}" as string',
        'define("{N}", "{V}")',
        '#define {N} "{V}"',
        'readonly {N}="{V}"',
        "declare -r {N}={V}",
        "set -x {N} {V}",
        '$env:{N} = "{V}"',
        "setenv {N} {V}",
        '@{n} = "{V}"',
        'dim {n} as String = "{V}"',
        "{n} text DEFAULT '{V}'",
        "ENV {N} {V}",
        "ENV {N}={V}",
        "ARG {N}={V}",
        'private {n}: string = "{V}"',
        'string? {n} = "{V}";',
        'byte[] {n} = "{V}".getBytes();',
        'var {n} []byte = []byte("{V}")',
        '{n} *string = "{V}"',
        'var {n}, user string = "{V}", "x"',
        'var {n} types.Text = "{V}"',
    ],
    "variables": [
        "pulumi config set --secret app:{n} {V}",
        '{"command":"bash -c \\"export {N}=\'{V}\' && run\\""}',
        "helm install x --set-string auth.{n}={V}",
        "jdbc:mysql://h/db?user=a&{n}={V}&x=y",
        "User(name=a, {n}={V})",
        'environment=A="{V}",B="{W}"',
        "environment=A='{V}',B='{W}'",
        "environment=A={V},B={W}",
        'environment=A="{V}" B="{W}"',
        'environment = A="{V}", B="{W}"',
        '{"command": "{N}=\'{V}\' run"}',
        '{"command": "export {N}=\'{V}\'; run"}',
        '{"command": "{N}=\\"{V}\\" run"}',
        '{"command": "{N}={V} run"}',
        '{"command": "A=1 {N}=\'{V}\' run"}',
        "{'command': '{N}=\"{V}\" run'}",
        '{"command": "cd x && {N}=\'{V} {W}\' run"}',
        '{"command": "env {N}=\'{V}\' B=c run"}',
        '{"cmd": ["sh", "-c", "{N}=\'{V}\' run"]}',
        '{"command": "run --{n}=\'{V}\'"}',
        "run --{n}={V} x",
        'mysql --{n}="{V} {W}"',
        "{N}='{V}' run",
        "export {N}={V} && run",
        '"{N}={V}"',
        "- {N}={V}",
        "-e {N}={V} img",
        'docker run -e "{N}={V}" img',
        "docker run -e '{N}={V}' img",
        "--env {N}={V}",
        "sudo {N}={V} cmd",
        "{N}={V}\\ {W} cmd",
        "{N}=\"a\"{V}'{W}' cmd",
        "time {N}={V} make",
        'environment=\n  A="{V}",\n  B="{W}"',
        'environment=A="{V}",B="{W}"\ncommand=x',
        '{"args": "environment=A=\\"{V}\\",B=\\"{W}\\""}',
        "set {N}={V}",
        '{"environment": "A=\\"{V}\\",B=\\"{W}\\""}',
    ],
}

SHOWN = [
    ("{N}={V} command --flag", "{N}={M} command --flag"),
    ("$ {N}={V} command --flag", "$ {N}={M} command --flag"),
    ("{N}='{V} {W}' command --flag", "{N}='{M}' command --flag"),
    ("{N}={V} A=b command --flag", "{N}={M} A=b command --flag"),
    ("A=b {N}={V} command --flag", "A=b {N}={M} command --flag"),
    ("export {N}={V} && command --flag", "export {N}={M} && command --flag"),
    ("export {N}={V}; command --flag", "export {N}={M}; command --flag"),
    ("{N}={V}; command --flag", "{N}={M}; command --flag"),
    ("{N}={V} | command", "{N}={M} | command"),
    ("env {N}={V} command --flag", "env {N}={M} command --flag"),
    ("docker run -e {N}={V} img --flag", "docker run -e {N}={M} img --flag"),
    ("+ {N}={V} ./run.sh", "+ {N}={M} ./run.sh"),
    ("run --{n}={V} x --flag", "run --{n}={M} x --flag"),
    ('{"command": "{N}={V} pulumi up --yes"}', '{"command": "{N}={M} pulumi up --yes"}'),
    ('{"command": "{N}=\'{V}\' pulumi up --yes"}', '{"command": "{N}=\'{M}\' pulumi up --yes"}'),
    ("```\n{N}={V} pulumi up --yes\n```", "```\n{N}={M} pulumi up --yes\n```"),
    ('sh -c "{N}={V} pulumi up --yes"', 'sh -c "{N}={M} pulumi up --yes"'),
    ('{N}="{V}" pulumi up --yes', '{N}="{M}" pulumi up --yes'),
    ("{N}={V} \\\n  pulumi up --yes", "{N}={M} \\\n  pulumi up --yes"),
    ("# {N}={V} pulumi up", "# {N}={M} pulumi up"),
    ("RUN {N}={V} npm ci", "RUN {N}={M} npm ci"),
    ("https://x/?{n}={V}&b=c", "https://x/?{n}={M}&b=c"),
    ("ts=1 {n}={V} level=info", "ts=1 {n}={M} level=info"),
    ("{n}={V} level=info", "{n}={M} level=info"),
]
"""A text, and what is shown of it."""

STAY = [
    "pulumi config set dbPassword <PASSWORD> --secret\npulumi config set --secret b <value>\n",
    'a.password("user"); f.secret("name"); getPassword("db1")\n',
    '"db-password": Buffer.from(args.password).toString("base64"),\n',
    '"a-secret": &api.Secret{}, "b-password": &api.Pod{},\n',
    '<a class="mark" id="password">#</a>\n',
    "if (a|password|b) {}\npassword | other\n",
    "password: str\npassword: string;\npassword?: string\npassword: Optional[str] = None\n",
    "def login(user: str, password: str) -> bool:\n    return check(user, password)\n",
    (
        'password = config.require_secret("password")\ndb_password = var.db_password\n'
        "password = random_password.db.result\n"
    ),
    'resource "random_password" "db" {\n  length = 16\n}\npassword = random_password.db.result\n',
    (
        'const password = config.requireSecret("dbPassword");\n'
        'const db = new aws.rds.Instance("db", { password: password, username: "admin" });\n'
    ),
    "password: password,\npassword: dbPassword.result,\npassword: args.password,\npassword: pw,\n",
    "self.password = password\nthis.password = password;\n",
    "## Password\n\nThe password is stored in the config as a secret.\n",
    "## Password policy\n\nPasswords must have 12 characters.\n",
    "## Secrets\n\n- one\n- two\n",
    "Password: must be at least 12 characters long and not be reused.\n",
    (
        "| Name | Description |\n|---|---|\n| password | The password of the database user. |\n"
        "| secret | Whether it is one. |\n"
    ),
    "| Property | Type | Required |\n|---|---|---|\n| password | string | yes |\n| secret | boolean | no |\n",
    'The password (`DB_PASSWORD`) is read from the environment, see `config.get("password")`.\n',
    'os.getenv("DB_PASSWORD")\nos.environ["DB_PASSWORD"]\nprocess.env.DB_PASSWORD || throwError("missing")\n',
    'os.getenv("DB_PASSWORD", "")\nos.getenv("DB_PASSWORD", None)\nconfig.get("secret", default=None)\n',
    (
        'export DB_PASSWORD=$(pulumi config get dbPassword)\nexport DB_PASSWORD="$DB_PASSWORD"\n'
        "DB_PASSWORD=${DB_PASSWORD:?missing}\n"
    ),
    '<input type="password" name="password"/>\n<label for="password">Password</label>\n',
    '<xs:element name="password" type="xs:string"/>\n',
    "Enter password:\nPassword:\npassword: \n",
    "2024-01-01 INFO password: reset requested for bob\n",
    "pulumi config set --secret dbPassword\npulumi config set dbPassword --secret\n",
    "  + password: [secret]\n  + password: output<string>\n",
    "password_hash: abc\npassword_file: /run/secrets/pw\npasswordSecretName: x\nPASSWORD_MIN_LENGTH=12\n",
    'raise ValueError("password: too short")\nlog.info("password: %s", "***")\n',
    'if password == "x" or password != other:\n',
    "kubectl create secret generic db --from-literal=a=b\n",
    "password = \"\"\npassword: null\npassword: ''\n",
    (
        "password: ${{ secrets.DB_PASSWORD }}\npassword: ${DB_PASSWORD}\n"
        'password: "{{ .Values.password }}"\npassword: <password>\npassword: ********\n'
    ),
    "args.apiKey, apiKey: apiKey, api_key=api_key, apiKey: process.env.API_KEY\n",
    "secret_id = aws_secretsmanager_secret.db.id\nsecret_string = random_password.db.result\n",
    "aws secretsmanager get-secret-value --secret-id prod/db\n",
    "var password string\nvar secret, other string\nfunc f(password string, n int) error {\n",
    "String password;\nprivate final String password;\npublic User(String name, String password) { }\n",
]

UNITS = [
    "user | password\n--- | ---\n",
    "aws:x/y:Secret: ",
    "existingSecret: ",
    "\u2502 password \u2502\n\u251c\u2500\u2524\n",
    'password = os.getenv("X", ',
    *(
        "password",
        "password: ",
        "password=",
        "PASSWORD=a ",
        "password = ",
        'password"',
        "password\n",
        "# password\n\n",
    ),
    *(
        '"password", ',
        'get("password", ',
        "password || ",
        "password ? a : ",
        "password | ",
        "| password ",
        "|password|\n",
    ),
    *(
        "| password |\n|---|\n",
        "<password>",
        "<password",
        '<a name="password"',
        "</a><password>a",
        "password</a>",
    ),
    *(
        "password, a",
        "password string = ",
        "${PASSWORD-",
        "ENV PASSWORD ",
        " --password ",
        "password {",
        "password[]",
    ),
    *(
        "password:\n  ",
        "- password: >-\n",
        "password: a\n  ",
        "a password",
        "PASSWORD=a;",
        "secret=a&b=",
        "apikeyapi_key",
    ),
    *(
        "_password",
        "pass.word.",
        "password: x.",
        "PASSWORD='",
        'PASSWORD="',
        "environment=A=",
        "environment=A='",
    ),
]


def filled(text: str, names: tuple[str, str, str]) -> str:
    """The text with this name and these secrets."""
    marks = zip(
        ("{n}", "{N}", "{C}", "{V}", "{W}", "{M}"), (*names, *SECRETS, "[redacted: secret]"), strict=True
    )
    for mark, value in marks:
        text = text.replace(mark, value)
    return text


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("kind", TEXTS)
def test_no_value_is_shown_beside_the_name_of_a_secret(kind: str, names: tuple[str, str, str]) -> None:
    texts = [filled(text, names) for text in TEXTS[kind]]
    assert [text for text in texts if any(secret in clean(text) for secret in SECRETS)] == []


@pytest.mark.parametrize("margin", ["    12\t", "  ", "app-1  | ", "+"])
@pytest.mark.parametrize("kind", TEXTS)
def test_no_value_is_shown_behind_a_margin(kind: str, margin: str) -> None:
    # A mark of a difference beside one of a list looks like that of a difference of three versions.
    filled_texts = [filled(text, NAMES[1]) for text in TEXTS[kind] if margin != "+" or "\n- " not in text]
    texts = ["\n".join(margin + line for line in text.split("\n")) for text in filled_texts]
    assert [text for text in texts if any(secret in clean(text) for secret in SECRETS)] == []


@pytest.mark.parametrize("kind", TEXTS)
def test_masking_again_changes_nothing_and_lines_stay(kind: str) -> None:
    for text in (filled(text, names) for text in TEXTS[kind] for names in NAMES):
        once = clean(text)
        assert clean(once) == once
        assert once.count("\n") == text.count("\n")


@pytest.mark.parametrize("kind", TEXTS)
def test_no_value_is_shown_within_json(kind: str) -> None:
    texts = [json.dumps({"content": filled(text, NAMES[1]), "x": 1}) for text in TEXTS[kind]]
    assert [text for text in texts if any(secret in clean(text) for secret in SECRETS)] == []


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_behind_a_value_stays(text: str, shown: str, names: tuple[str, str, str]) -> None:
    assert clean(filled(text, names)) == filled(shown, names)


@pytest.mark.parametrize("text", STAY)
def test_what_only_mentions_a_secret_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'DbPassword = os.getenv("X", "{V}")',
        'api_key = os.environ.get("X", default="{V}")',
        "password: env('X', '{V}'),",
        "\u2502 \u2502 password \u2502\n\u251c\u2500\u253c\u2500\u2500\u2524\n\u2502 x \u2502 {V} \u2502",
    ],
)
def test_a_default_or_a_cell_in_a_frame_is_not_shown(text: str) -> None:
    assert SECRETS[0] not in clean(filled(text, NAMES[0]))


@pytest.mark.parametrize(
    "table",
    [
        "| user | password | api_key |\n|---|---|---|\n| bob | {V} | {W} |\n",
        "| password | api_key |\n|---|---|\n| {V} | {W} |\n| x | {V} |\n",
        "db_password | user | secret\n----+----+----\n{V} | bob | {W}\n",
        "\u2502 password \u2502 api_key \u2502\n\u251c\u2500\u253c\u2500\u2524\n\u2502 {V} \u2502 {W} \u2502",
    ],
)
def test_every_column_of_a_table_that_names_a_secret_is_masked(table: str) -> None:
    shown = clean(filled(table, NAMES[0]))
    assert not any(secret in shown for secret in SECRETS)
    assert "user" not in table or ("user" in shown and "bob" in shown)


@pytest.mark.parametrize(
    "text", ['b.password("{V}")', 'x.setApiKey("{V}")', "with_password('{V}')", "run --password {V}"]
)
def test_a_value_of_a_setter_or_an_option_is_not_shown(text: str) -> None:
    assert SECRETS[0] not in clean(filled(text, NAMES[0]))


def test_a_value_of_a_structure_is_not_shown() -> None:
    shown = redacted_json(
        {"db": [{"password": SECRETS[0], "user": "ada"}], "password": "the user's own words"}
    )
    assert shown == {
        "db": [{"password": "[redacted: secret]", "user": "ada"}],
        "password": "the user's own words",
    }


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("before", some(["", "| password |\n|---|\n", "env:\n"], every=3))
def test_a_hostile_text_of_names_is_read_through(unit: str, before: str) -> None:
    hidden = mask_members(f"{before}{unit * (100_000 // len(unit))}\n\npassword: {SECRETS[0]}\n")
    assert SECRETS[0] not in hidden
