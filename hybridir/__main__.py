"""``python -m hybridir``."""

from hybridir.cli import main

if __name__ == "__main__":
    main()
