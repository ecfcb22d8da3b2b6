"""`python -m app.migrations` migrates the database of DATABASE_URL; on failure, one line and exit code 2."""

import os
import sys

from psycopg import Error

from app.errors import RewardsError
from app.migrations import upgrade


def main() -> int:
    try:
        upgrade(os.environ["DATABASE_URL"])
    except (RewardsError, Error) as refused:
        sys.stderr.write(f"rewards: {str(refused).strip().splitlines()[0]}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
