"""`python -m stackyard` is the same as `stackyard`."""

from stackyard.cli import main

main()
