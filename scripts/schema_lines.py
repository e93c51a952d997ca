"""Lets schemathesis send lines of JSON: it is given a text, and sends it."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else str(value).encode()
