"""Exit 0 when the control room of this machine answers /healthz; for HEALTHCHECK and other probes.

ANDON_HEALTH_URL names it; the default is http://127.0.0.1:8080/healthz. With https the certificate is not checked:
the probe asks the machine it stands on, by an address that no certificate carries.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.error
import urllib.request

URL = os.environ.get("ANDON_HEALTH_URL", "http://127.0.0.1:8080/healthz")
TIMEOUT_S = 4.0


def main() -> int:
    """0 when the answer is 200, else 1 with the reason."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    try:
        with direct.open(URL, timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError) as error:
        sys.stderr.write(f"{URL}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
