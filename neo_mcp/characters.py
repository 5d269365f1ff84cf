"""Classes of characters that show nothing, and of those that need one of them beside it.

Each is the inside of a class of a regular expression.
"""

CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
NO_CONTROLS = (
    "\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # soft hyphens, directions, operators
    "\u17b4\u17b5\u3164\uffa0\ufff0-\ufffc\U0001d159"  # letters, annotations and notes that show nothing
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of shorthand and musical notation
    "\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff"
    "\ud800-\udfff\U00040000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U0010ffff"  # none, or private
)
# Neighbours. None of them is a character of the classes above, but where it is said.
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_ARABIC = (
    "\u0606-\u06dc\u06de-\u06ff\u0750-\u077f\u0870-\u088f\u0892-\u08e1\u08e3-\u08ff\ufb50-\ufdcf\ufdf0-\ufdff"
)
_NUMBER_SIGNS = "\u0600-\u0605\u06dd\u0890\u0891\u08e2"
_CURSIVE = "\u0620-\u06dc\u06de-\u06ff\u0710-\u077f\u07ca-\u07f5\u0840-\u088f\u0892-\u08e1\u08e3-\u08ff"
_JOINING = (
    f"{_CURSIVE}\u0780-\u07ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af\u1a20-\u1aaf"
    "\u1b00-\u1c4f\ua840-\ua8ff\ua980-\ua9ff\uaa00-\uaadf\uabc0-\uabff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefe"
    "\U00010a00-\U00010aff\U00010b80-\U00010baf\U00010d00-\U00010d3f\U00010f30-\U00010fdf"
    "\U00011000-\U000110bc\U000110be-\U000110cc\U000110ce-\U00011fff\U0001e900-\U0001e95f"
)
_KILLERS = (
    "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0f84\u1039\u103a\u17d2\u1a60\u1b44"
    "\u1baa\u1bab\ua806\ua8c4\ua953\ua9c0\uabed\U00011046\U000110b9\U00011133\U00011134\U000111c0\U00011235"
    "\U0001134d\U00011442\U000114c2\U000115bf\U0001163f\U000116b6\U00011839\U0001193e\U000119e0\U00011c3f"
)
"""Signs that take the vowel from a letter, which a joiner after them makes show."""

_UNSPACED = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u1950-\u1aad\ua9e0-\ua9ff\uaa60-\uaadf"
_IDEOGRAPHS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
)
VARIANTS = "\U000e0100-\U000e01ef"
_STANDARD = (
    "\u1000-\u109f\u2205\u2229\u222a\u2268\u2269\u2272\u2273\u228a\u228b\u2293-\u229c\u22da\u22db\u2a3c\u2a3d"
    "\u2a9d\u2a9e\u2aac\u2aad\u2acb\u2acc\u3001\u3002\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\ua840-\ua877\uaa60-\uaa7f"
    "\U00010ac0-\U00010aff"
)
"""Characters with a standardized variant that is a plain one's."""

_MONGOLIAN = "\u1820-\u18aa"
_HEBREW = "\u0591-\u05c7"
_HIEROGLYPHS = "\U00013000-\U0001342f\U00013460-\U000143ff"


# Groups of what shapes its neighbours, each with the places behind one of it where its neighbours need it.
NEED_ONE_BEFORE = 2
NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "\u200c\u200d",
        (
            f"(?<=[{_JOINING}][\u200c\u200d])(?=[{_JOINING}])",
            f"(?<=[{_CURSIVE}]\u200d)",
            f"(?<=[{_EMOJI}]\u200d)(?=[{_EMOJI}])",
            f"(?<=[{_EMOJI}]\ufe0f\u200d)(?=[{_EMOJI}])",
            f"(?<=[{_KILLERS}][\u200c\u200d])",
            f"(?<=\u200d)(?=[{_CURSIVE}])(?<![\u200c\u200d]\u200d)",
            f"(?=[{_HEBREW}])(?<=[\u05d0-\u05ea]\u200c)",
        ),
    ),
    (
        f"\ufe00-\ufe0f{VARIANTS}",
        (
            f"(?<=[{_EMOJI}][\ufe0e\ufe0f])",
            "(?=\u20e3)(?<=[0-9#*]\ufe0f)",
            f"(?<=[{_IDEOGRAPHS}][\ufe00-\ufe02{VARIANTS}])",
            f"(?<=[{_STANDARD}][\ufe00\ufe01])",
            f"(?<=[{_HIEROGLYPHS}][\ufe00-\ufe06])",
        ),
    ),
    (
        "\u034f\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u180b-\u180f\u200b\u2d7f",
        (
            f"(?<=[{_UNSPACED}]\u200b)(?=[{_UNSPACED}])",
            f"(?<=[{_MONGOLIAN}][\u180b-\u180d\u180f])",
            f"(?=[\u1820\u1821])(?<=[{_MONGOLIAN}]\u180e)",
            f"(?=[{_ARABIC}])(?<=[{_NUMBER_SIGNS}])",
            f"(?<=[{_ARABIC}][{_NUMBER_SIGNS}])",
            "(?=[\u0710-\u074f])(?<=\u070f)",
            f"(?=[{_HEBREW}])(?<=[{_HEBREW}]\u034f)",
            "(?<=[\u1100-\u115e\ua960-\ua97f]\u1160)",
            "(?=[\u1161-\u11a7\ud7b0-\ud7c6])(?<=\u115f)",
            "(?=[\u2d30-\u2d6f])(?<=[\u2d30-\u2d6f]\u2d7f)",
        ),
    ),
    (
        "\U000110bd\U000110cd\U00013430-\U00013455\U00016fe4",
        (
            f"(?=[{_HIEROGLYPHS}])(?<=[{_HIEROGLYPHS}][\U00013430-\U00013455])",
            "(?=[\U00011080-\U000110bc])(?<=[\U000110bd\U000110cd])",
            "(?<=[\U00018b00-\U00018cff]\U00016fe4)",
        ),
    ),
)
TAGS = "\U000e0020-\U000e007f"
SELECTORS = "".join(group for group, _ in NEEDED) + TAGS
FAR_SCRIPTS = (
    "\U000101fd-\U0001037a\U00010a00-\U00011fff\U00013440-\U00013455\U00016af0-\U00016b36\U00016f4f-\U00016fe4"
    "\U0001bc9d\U0001bc9e\U0001cf00-\U0001cf46\U0001d165-\U0001d244\U0001da00-\U0001daaf\U0001e000-\U0001e94a"
)
"""Where combining marks are, beyond the basic plane."""

MARKED_SCRIPTS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711-\u08ff\u0900-\u109f"
    "\u135d-\u135f\u1700-\u1dff\u20d0-\u20ff\u2cef-\u2cf1\u2de0-\u2dff\u302a-\u302f\u3099\u309a\ua66f-\ua69f"
    "\ua6f0\ua6f1\ua800-\ua9ff\uaa00-\uabff\ufb1e\ufe20-\ufe2f"
)
"""Combining marks, and scripts that have many, in the basic plane."""
