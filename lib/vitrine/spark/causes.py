"""Errors of Spark in one line."""


def cause(error: BaseException) -> str:
    """The line of an error that says why; py4j begins with where, and puts a colon before why."""
    lines = str(error).splitlines() or [""]
    return next((line.removeprefix(": ") for line in lines if line.startswith(": ")), lines[0])
