"""``python -m redcap_jobs``: the same as the console script."""

from redcap_jobs.cli import main

if __name__ == "__main__":
    main()
