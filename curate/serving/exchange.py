"""One request and its reply over HTTP, with everything that can break in between given its name."""

from __future__ import annotations

import errno
import io
import os
import ssl
from typing import NamedTuple

import aiohttp

from curate.errors import ServerError
from curate.serving.failures import TryAgain, Unreachable
from curate.serving.replies import quoted, read

LARGE_BODY = 1 << 20


class Reply(NamedTuple):
    """What a server answered, whatever it was."""

    status: int
    retry_after: str | None
    body: bytes


async def exchange(session: aiohttp.ClientSession, method: str, url: str, data: bytes | None, key: str | None) -> Reply:
    """Send one request and return the whole reply.

    Raises Unreachable where no connection was made, TryAgain where one broke or took too long, Failed (too_large),
    and ServerError where this machine or a certificate is the reason, so that waiting would not help.
    """
    # aiohttp wants a large body as a file, so that it can be written in pieces.
    body = io.BytesIO(data) if data is not None and len(data) > LARGE_BODY else data
    try:
        async with session.request(method, url, data=body, allow_redirects=False) as response:
            told = await read(response)
            if not told and (target := response.headers.get("Location")):  # the one thing a redirect has to say
                told = f"it points to {target}".encode()
            return Reply(response.status, response.headers.get("Retry-After"), told)
    except aiohttp.ClientConnectorCertificateError as error:
        raise ServerError(f"the certificate of {url} is not accepted: {error.certificate_error}") from None
    except aiohttp.ClientConnectorError as error:
        if error.os_error.errno in (errno.EMFILE, errno.ENFILE):
            raise ServerError(
                "too many open files for so many connections: raise `ulimit -n`, or lower --max-requests"
            ) from None
        raise Unreachable(f"{url}: {_reason(error.os_error)}") from None
    except aiohttp.ConnectionTimeoutError:
        raise Unreachable(f"{url}: no connection in time") from None
    except TimeoutError:
        raise TryAgain("timeout", f"{url}: no whole reply within {session.timeout.total:g} s") from None
    except aiohttp.ClientResponseError as error:
        raise TryAgain("bad_http", f"{url}: {quoted(error.message.encode(), key)}") from None
    except (aiohttp.ClientError, ConnectionError) as error:
        said = quoted(str(error).encode(), key) or type(error).__name__
        raise TryAgain("connection", f"{url}: {said}") from None


def _reason(error: OSError) -> str:
    """Return the system's words: "Connection refused" where asyncio says only which call failed."""
    if error.errno is None or error.errno <= 0 or isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    return os.strerror(error.errno)
