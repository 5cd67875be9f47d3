"""Documents: a Report knows no output format; formats know no plan."""
