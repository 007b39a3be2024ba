"""File formats and units, each read and written in one place: thermo rows of a log, dcd files, unit styles."""
