"""Reports of a shift and of a lot: what was measured, computed and decided, with pictures, as JSON and for print."""

import service.web  # noqa: F401 - reports use the page's views and the page serves them: whoever comes, the page is first
