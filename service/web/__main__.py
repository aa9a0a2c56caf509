"""`python -m service.web`."""

import sys

from service.web.main import main

sys.exit(main())
