"""How a program ends."""

import sys
from collections.abc import Callable

from vitrine.errors import VitrineError


def exit_code(program: Callable[[], object]) -> int:
    """Run a program to its exit code: 0 done, 1 an error of ours, 2 wrong usage, 130 interrupted.

    Errors of ours and of the system (a full disk) become one line on stderr; any other is a bug, and its traceback
    is not held back.
    """
    try:
        program()
    except VitrineError as error:
        sys.stderr.write(f"vitrine: {' '.join(str(error).split())}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"vitrine: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("vitrine: interrupted\n")
        return 130
    return 0
