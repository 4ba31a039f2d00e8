"""From a study in MLflow to tables, intervals, figures and a report; run from the checkout."""

import sys

# Where `make supply` has installed it, jsonschema, which Altair loads, would read its grammar for
# 3 s, to check addresses that no chart has. None makes its import fail, as where it is missing.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
