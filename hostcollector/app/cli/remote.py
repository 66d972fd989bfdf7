"""The flags of commands that can read a collector at an address instead of this machine's daemon."""

import argparse
from pathlib import Path

from hostcollector.outputs.remote import Remote, basic, client_context


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--url``, and what a page with TLS or passwords asks of a client; `named` reads them."""
    group = parser.add_argument_group("a collector at an address (default: the daemon of this machine)")
    group.add_argument("--url", metavar="URL", help="its page; /metrics may be left out")
    for flag, text in (
        ("--ca-file", "the authorities that may have signed its certificate, PEM (default: the system's)"),
        ("--cert-file", "the certificate to show it, PEM"),
        ("--key-file", "this certificate's key, PEM (default: in the certificate's file)"),
        ("--password-file", "the password of --user, on the first line"),
    ):
        group.add_argument(flag, metavar="FILE", type=Path, help=text)
    group.add_argument("--user", metavar="NAME", help="the user to read the page as")
    parser.set_defaults(wrong_use=parser.error)


def named(options: argparse.Namespace) -> Remote | None:
    """Return the collector that the flags name, None without ``--url``; wrong ones end the command."""
    given = {name: value for name in _ALONE if (value := vars(options)[name]) is not None}
    if options.url is None:
        if given:
            options.wrong_use(
                f"--{min(given).replace('_', '-')} is for a collector at an address: give --url"
            )
        return None
    if "key_file" in given and "cert_file" not in given:
        options.wrong_use("--key-file is the key of a certificate: give --cert-file")
    if ("user" in given) is not ("password_file" in given):
        options.wrong_use("--user and --password-file belong together")
    try:
        context = client_context(options.ca_file, options.cert_file, options.key_file)
        return Remote(options.url, context, _authorization(options.user, options.password_file))
    except (OSError, ValueError) as error:
        files = ", ".join(str(value) for name, value in given.items() if name != "user")
        options.wrong_use(f"cannot use {files}: {getattr(error, 'strerror', None) or error}")
        raise  # never reached: `wrong_use` ends the command


def _authorization(user: str | None, password: Path | None) -> str:
    return basic(user, password.read_text().partition("\n")[0]) if user is not None and password else ""


_ALONE = ("ca_file", "cert_file", "key_file", "user", "password_file")
"""The flags that mean nothing without ``--url``."""
