"""Who may look: a browser on this machine that was given the key, asking for this very address. Pure.

A page of a stranger can make a browser ask any address, also one of this machine; it cannot choose what the browser
says of itself. So another `Host` (a name of the stranger's that leads here: DNS rebinding), another `Origin` and what
another site asks for are refused; and other users of this machine have no key.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

SAME = ("same-origin", "none")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer."""


def refused(method: str, headers: Mapping[str, str], port: int) -> tuple[int, str]:
    """(HTTP status, why) of a request that is not answered; (0, "") of one that may be."""
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if method not in ("GET", "HEAD"):
        return 405, "This page only shows; it changes nothing."
    if headers.get("Host", "") not in hosts:
        return 403, "This address is not the one that the dashboard has."
    origin = headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in hosts}:
        return 403, "Another site asked for this page."
    if headers.get("Sec-Fetch-Site", "none") not in SAME:
        return 403, "Another site asked for this page."
    return 0, ""


def cookie_name(port: int) -> str:
    """Cookies do not tell ports apart."""
    return f"lammps-jobs-{port}"


def has_key(headers: Mapping[str, str], port: int, key: str) -> bool:
    """Whether the request bears the key in its cookie."""
    try:
        found = SimpleCookie(headers.get("Cookie", "")).get(cookie_name(port))
    except CookieError:
        return False
    return found is not None and hmac.compare_digest(found.value.encode(), key.encode())


def cookie(port: int, key: str) -> str:
    return f"{cookie_name(port)}={key}; Path=/; HttpOnly; SameSite=Strict"
