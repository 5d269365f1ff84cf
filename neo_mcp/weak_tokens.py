"""Which access tokens cannot be real ones: short, or an ordinary word.

Such a token is reported, and left in our own sentences, which would be destroyed without it. Real ones are
taken out of everything by :mod:`neo_mcp.token_guard`.
"""

_MIN_LENGTH = 16
_PREFIX = "pul-"
_MIN_WITH_PREFIX = 12


def weakness(token: str) -> str:
    """The reason why ``token`` cannot be an access token; empty where it may be one."""
    if token.startswith(_PREFIX) and len(token) >= _MIN_WITH_PREFIX:
        return ""
    if len(token) < _MIN_LENGTH:
        characters = "1 character" if len(token) == 1 else f"{len(token)} characters"
        return f"it has {characters}"
    letters = "".join(filter(str.isalpha, token))
    are_words = letters in {letters.lower(), letters.upper(), letters.title()}
    return "it is words without a digit" if are_words and not any(map(str.isdigit, token)) else ""
