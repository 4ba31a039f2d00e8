"""Run the command line as ``python -m hybridir``."""

from hybridir.cli.main import main

if __name__ == "__main__":
    main()
