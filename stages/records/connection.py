"""Finding MongoDB by the address that ``MONGODB_URI`` holds, without letting any of its secrets into a message."""

import re
import warnings
from typing import Any
from urllib.parse import unquote_plus

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import InvalidName, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.uri_parser import parse_uri

from stages.config.schema import MongoDBSource
from stages.records.document import Document
from stages.runtime.errors import UserError

# What pymongo would wait for without end; MONGODB_URI may say otherwise.
SOCKET_TIMEOUT_MS = 300_000
FIRST_CONTACT_S = 4.0  # for somebody to listen there at all; MONGODB_URI may say otherwise

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
ADVICE = (
    "it looks like mongodb://USER:PASSWORD@HOST:PORT/?OPTIONS, user and password percent-encoded (@ is %40, : is %3A, "
    "/ is %2F, % is %25)"
)
TORN = "/ is %2F, ? is %3F; so is an @ in options, %40"
_OWN_TIMEOUT = re.compile(r"[?&;](serverSelectionTimeoutMS|timeoutMS)=", re.IGNORECASE)


def open_collection(source: MongoDBSource, uri: str) -> Collection[Document]:
    """Give the collection that params name on the server that ``MONGODB_URI`` names; nothing is asked yet.

    Args:
        source: database and collection.
        uri: as pymongo takes it, with or without a user, TLS and other options.

    Raises:
        UserError: there is no URI, or pymongo does not understand it. No part of its credentials is repeated.
    """
    if not uri:
        raise UserError("where is MongoDB? Set MONGODB_URI, in the environment or in .env (mongodb://HOST:PORT)")
    if _is_torn(uri):
        raise UserError(f"MONGODB_URI is not valid: {ADVICE} ({TORN})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of an option that pymongo does not know it only warns
            given = parse_uri(uri)["options"]
            defaults = {"socketTimeoutMS": SOCKET_TIMEOUT_MS}
            options: dict[str, Any] = {name: value for name, value in defaults.items() if name not in given}
            client: MongoClient[Document] = MongoClient(uri, connect=False, **options)
    except UserWarning as warning:
        raise UserError(f"MONGODB_URI is not valid{told(warning, uri)}: {ADVICE}") from None
    except (PyMongoError, ValueError, TypeError):  # what they say may hold a password that was not encoded
        raise UserError(f"MONGODB_URI is not valid: {ADVICE}") from None
    except OSError as error:  # a certificate file
        raise UserError(f"MONGODB_URI names a file that cannot be read ({error.strerror}): {error.filename}") from None
    try:
        return client.get_database(source.database).get_collection(source.collection)
    except InvalidName as error:
        raise UserError(f"params.yaml: source: no name of a database and a collection ({error})") from None


def meet(collection: Collection[Document], source: MongoDBSource, uri: str) -> None:
    """Find out soon whether anybody listens there: pymongo would take half a minute, and say so as late again.

    Who listens and then is slow, refuses or waits for an election is left to the reading, and its patience.

    Raises:
        UserError: nobody listens, or who listens does not know the user.
    """
    client, where = collection.database.client, place(collection)
    bound = pymongo.timeout(None if _OWN_TIMEOUT.search(uri) else FIRST_CONTACT_S)
    try:
        with bound:
            client.admin.command("ping", read_preference=collection.read_preference)
    except ServerSelectionTimeoutError as error:
        servers = client.topology_description.server_descriptions().values()
        if all(server.server_type_name == "Unknown" for server in servers):
            raise UserError(f"{where} does not answer{told(error, uri)}: is it running?") from None
    except OperationFailure as error:
        if error.code == _AUTHENTICATION_FAILED:  # some servers take seconds to say so, and would again
            raise UserError(f"{where} {refusal(error, source, uri)}") from None
    except PyMongoError:
        return


def place(collection: Collection[Document]) -> str:
    """Give what to call the server in a message: by host and port, never by who asks."""
    seeds = collection.database.client.topology_description.server_descriptions()
    hosts = ", ".join(sorted(f"{host}:{port}" if port else host for host, port in seeds))
    return f"MongoDB at {hosts or 'the host of MONGODB_URI'}"


def refusal(error: OperationFailure, source: MongoDBSource, uri: str) -> str:
    """Say that a server refuses, and what can be done; for the end of a line that begins with ``place``."""
    named = f"{source.database}.{source.collection}"
    if error.code == _AUTHENTICATION_FAILED:
        return "refuses the user or the password: check MONGODB_URI (the user's database is set by ?authSource=...)"
    if error.code == _UNAUTHORIZED:
        return f"does not let this user read {named}: name one in MONGODB_URI that has the role read"
    return f"refuses to read {named}{told(error, uri)}"


def told(error: Exception, uri: str) -> str:
    """Give pymongo's words in brackets; nothing where they hold a piece of the credentials."""
    text = re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error))[0]
    leaks = any(piece in text or unquote_plus(piece) in text for piece in _secrets(uri))
    return "" if leaks or not text else f" ({text})"


def _secrets(uri: str) -> list[str]:
    """Give the pieces of what a URI says of who asks: user, password, and the options that are secrets."""
    behind = uri.partition("://")[2]
    credentials = behind.rpartition("@")[0]
    options = re.findall(r"[?&;][^=&;]*(?:password|properties)[^=&;]*=([^&;]*)", behind, re.IGNORECASE)
    return [piece for secret in [credentials, *options] for piece in re.split(r"[:/?#@&=,;%]", secret) if piece]


def _is_torn(uri: str) -> bool:
    """Whether what stands before the last @ is cut by a / or ?, so that a piece of a password would count as a host."""
    return bool(re.search("[/?].*@", uri.partition("://")[2], re.DOTALL))
