"""What a workflow raises for a user's mistake: the errors of judging, and those of quantizing.

Knows: which of them are wrong usage. Does not know: how an error is shown.
"""

from __future__ import annotations

from edge_judge.errors import EdgeJudgeError, UsageError
from quantize.errors import QuantizeError, UnknownModelError, UnknownSchemeError

KNOWN_ERRORS = (EdgeJudgeError, QuantizeError)
USAGE_ERRORS = (UsageError, UnknownModelError, UnknownSchemeError)
