"""Owners of runs: the people who may stop, change and delete them."""

import hashlib
import hmac

BROWSER = "browser:"  # begins the owner of runs that a browser started
PERSON = "person:"  # begins the owner of runs that a signed-in person started


def browser_owner(token: str) -> str:
    """Return the owner that a browser's secret token stands for. Only this hash is stored, never the token."""
    return BROWSER + hashlib.sha256(token.encode()).hexdigest()


def person_owner(issuer: str, subject: str) -> str:
    """Return the owner that a signed-in person stands for; a subject is unique only at its issuer."""
    return PERSON + hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()


def is_same_owner(one: str, other: str) -> bool:
    """Compare two owners in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
