"""The two ways in which work ends early: a user's mistake, and a trial that cannot go on."""

from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave cannot be used; the message says what was given and what to do.

    Command lines print the message without a traceback and exit with code 2.
    """

    @classmethod
    def collect(cls, heading: str, problems: Iterable[str]) -> "InputError":
        """Join problems into one message, so that all can be mended at once.

        A single problem stays on one line.

        Args:
            heading: what was being read, for example ``"study.yaml has 3 problems"``.
            problems: one sentence each.

        Returns:
            The error, ready to be raised.
        """
        lines = list(problems)
        if len(lines) == 1:
            return cls(f"{heading}: {lines[0]}")
        return cls("\n".join([f"{heading}:", *(f"  - {line}" for line in lines)]))


class TrialError(RuntimeError):
    """A trial stopped for a reason that concerns it alone, such as a loss that is not finite.

    The study records the reason and goes on with its other trials.
    """
