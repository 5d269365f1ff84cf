"""Ids and organization names that must reach nothing: several hundred, made systematically."""

from itertools import product
from urllib.parse import quote

TRAVERSALS = [
    *(
        "",
        ".",
        "..",
        "...",
        "../",
        "..\\",
        "../..",
        "./x",
        "/",
        "//",
        "\\",
        "/etc/passwd",
        "a/..",
        "a/../b",
        "a\\..\\b",
    ),
    *(
        "..;/",
        ".%2e",
        "%2e%2e",
        "%2E%2E%2F",
        "..%2f",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "..%00",
        "a%2fb",
        "a%5cb",
        "~",
        "~root",
    ),
    *(
        "a?x=1",
        "a#x",
        "a;b",
        "a&b",
        "a=b",
        "a:b",
        "a@b",
        "a,b",
        "a+b",
        "a b",
        " a",
        "a ",
        "a*",
        "a|b",
        "a$b",
        "${x}",
    ),
    *(
        "{x}",
        "a'b",
        'a"b',
        "`a`",
        "<a>",
        "a(b)",
        "[a]",
        "-",
        "-rf",
        "--help",
        ".git",
        ".env",
        "a\tb",
        "a\nb",
        "a\r\nb",
    ),
]
# Cyrillic and full-width letters, combining and invisible marks, other scripts' digits and slashes.
LOOK_ALIKES = [
    "\u0430cme",
    "acm\u0435",
    "\uff41cme",
    "\u00e1cme",
    "acme\u0301",
    "acme\u200b",
    "\ufeffacme",
    "acme\u202e",
    "acme\uff0ex",
    "a\uff0fb",
    "a\u2215b",
    "1\u06623",
    "\uff11\uff12\uff13",
    "task_\u2460",
    "\u00aa",
    "\u00df",
    "\u0131",
    "\ufb00",
    "\u212a",
]
CONTROLS = [f"acme{chr(code)}" for code in (*range(0x21), 0x7F, *range(0x80, 0xA1))]
ENDINGS = [
    f"acme{end}" for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0")
]
SURROGATES = ["acme\ud800", "\udc80", "a\udfffb"]
TOO_LONG = ["a" * 129, "a" * 10_000]
SPECIAL = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~ "
PLACED = [form for char in SPECIAL for form in (char, f"{char}acme", f"ac{char}me", f"acme{char}")]
ENCODED = [f"acme{quote(char, safe='')}" for char in SPECIAL]
DOTS = [
    *("..", "%2e%2e", "%2E%2e", ".%2e", "%252e%252e", "%u002e%u002e", "%c0%ae%c0%ae"),
    *("\uff0e\uff0e", "\u2024\u2024"),
]
SLASHES = [
    *("/", "\\", "%2f", "%2F", "%5c", "%252f", "%c0%af", "%u2215", "/./", "//", "/;/"),
    *("\uff0f", "\u2215", "\u2044"),
]
CLIMBS = [f"{dots}{slash}{rest}" for dots, slash, rest in product(DOTS, SLASHES, ("", "user", "acme"))]
HOSTS = [
    *("127.0.0.1", "127.0.0.1:80", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"),
    *("0177.0.0.1", "169.254.169.254", "metadata.google.internal", "evil.example", "xn--pple-43d.example"),
    "\u0430pple.example",
]
SCHEMES = [
    *("http://", "https://", "//", "\\\\", "file://", "ftp://", "neo://", "javascript:", "data:,", "http:"),
    "HtTp://x@",
]
ADDRESSES = [f"{scheme}{host}" for scheme, host in product(SCHEMES, HOSTS)]
MIDDLES = [
    "%20",
    *(
        "?",
        "#",
        ";",
        "&",
        "%3f",
        "%23",
        "%00",
        "\0",
        "\r\n",
        "%0d%0a",
        "\n",
        "%0a",
        "\t",
        "@",
        ":80/",
        "/",
        "%20",
    ),
]
INJECTED = ["a=b", "Host: evil.example", "Authorization: token x", "tasks"]
INJECTIONS = [f"acme{middle}{rest}" for middle, rest in product(MIDDLES, INJECTED)]
CODE = [
    *("$(id)", "`id`", "${jndi:ldap://x}", "{{7*7}}", "<%= 7 %>", "' OR '1'='1", "1; DROP TABLE tasks"),
    *(
        "<script>",
        "]]>",
        "*",
        "?",
        "[a-z]",
        "~/.ssh/id_rsa",
        "C:\\Windows",
        "\\\\server\\share",
        "|id",
        "&&id",
    ),
    *("&&id", "%s%s%n", ">x", "NUL\0", "__proto__[x]", "null ", "undefined ", "a/" * 100),
    *("\U0001f600", "\u202eacme", "acme\u2066"),
]
HOSTILE = list(
    dict.fromkeys(
        TRAVERSALS
        + LOOK_ALIKES
        + CONTROLS
        + ENDINGS
        + SURROGATES
        + TOO_LONG
        + PLACED
        + ENCODED
        + CLIMBS
        + ADDRESSES
        + INJECTIONS
        + CODE
    )
)
