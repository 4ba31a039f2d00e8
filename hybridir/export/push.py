"""Uploads an exported folder to a model hub."""

import re
from pathlib import Path

from hybridir.errors import InputError

# The hub's letters; huggingface_hub does not export its own check.
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def check_repository(repository: str) -> None:
    """Refuse an illegal name of a repository.

    Raises:
        InputError: if the name is not ``OWNER/NAME`` in the hub's letters.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise InputError(
            f"--push {repository}: expected OWNER/NAME in letters, digits, '-', '_' and '.', "
            "such as me/my-encoder"
        )


def push_folder(
    folder: Path,
    repository: str,
    *,
    private: bool,
    endpoint: str | None = None,
    token: str | None = None,
) -> str:
    """Upload a folder to a repository, as one commit; a missing repository is created.

    Args:
        folder: an export.
        repository: ``OWNER/NAME``.
        private: whether a new repository is private; an existing one does not change.
        endpoint: address of the hub; None takes ``HF_ENDPOINT``, else huggingface.co.
        token: token with write access; None takes ``HF_TOKEN``, else that of ``hf auth login``.

    Returns:
        Address of the commit.

    Raises:
        InputError: if the upload fails; the folder stays as it is.
    """
    # Takes .3 s to import; an export without --push need not spend them.
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    # The base class of the HTTP client differs between versions.
    transport: type[Exception] = HfHubHTTPError.__bases__[0]

    hub = HfApi(endpoint, token or get_token())
    if hub.token is None:
        remedy = "set HF_TOKEN or call hf auth login"
        raise InputError(_message(folder, repository, "no token was found", remedy))
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Encoder and card, exported by hybridir",
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        remedy = (
            "give a token that may write there (HF_TOKEN or hf auth login)"
            if status in (401, 403)
            else "try again later"
        )
        raise InputError(_message(folder, repository, _line(error), remedy)) from None
    except (transport, OSError) as error:
        reason = f"{hub.endpoint} cannot be reached ({_line(error)})"
        raise InputError(_message(folder, repository, reason, "try again later")) from None
    return str(commit.commit_url)


def _message(folder: Path, repository: str, reason: str, remedy: str) -> str:
    return (
        f"--push {repository}: {reason}; the export is in {folder}; {remedy}, then the same "
        f"command again, or: hf upload {repository} {folder}"
    )


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
