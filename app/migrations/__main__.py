"""`python -m app.migrations`: migrate the database of DATABASE_URL; an error prints one line and exits with code 2."""

import os
import sys

from psycopg import Error

from app.errors import RewardsError, first_line
from app.migrations import upgrade


def main() -> int:
    try:
        upgrade(os.environ["DATABASE_URL"])
    except (RewardsError, Error) as refused:
        sys.stderr.write(f"rewards: {first_line(refused)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
