import sys

from tests.engine.parts import main

sys.exit(main(sys.argv[1:]))
