"""The two errors that end work early: a user's mistake, and a trial that cannot go on."""

from collections.abc import Iterable


class InputError(ValueError):
    """The user's input cannot be used; the message names the input, and how to correct it.

    Command lines print the message without a traceback and exit with code 2.
    """

    @classmethod
    def collect(cls, heading: str, problems: Iterable[str]) -> "InputError":
        """Join problems into one message, so that the user can correct all of them at once.

        A single problem stays on one line.

        Args:
            heading: the source of the problems, for example ``"study.yaml has 3 problems"``.
            problems: one sentence each.

        Returns:
            The error to raise.
        """
        lines = list(problems)
        if len(lines) == 1:
            return cls(f"{heading}: {lines[0]}")
        return cls("\n".join([f"{heading}:", *(f"  - {line}" for line in lines)]))

    @classmethod
    def of_file(cls, error: OSError) -> "InputError":
        """Name the file or folder that the system refused.

        Raises:
            OSError: the error itself, if it names no file, and so is no matter of one.
        """
        if error.filename is None:
            raise error
        return cls(
            f"{error.filename}: {error.strerror}; choose another path, or change its permissions"
        )


class TrialError(RuntimeError):
    """A trial stopped for a reason of its own, such as a loss that is not finite.

    The study records the reason and continues with its other trials.
    """
