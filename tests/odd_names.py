"""Names that files may have on POSIX, and that a list with one name in each line gets wrong."""

ODD_NAMES = (
    "new\nline",
    "\nfirst",
    "last\n",
    "two\n\nfeeds",
    "return\r",
    "\x0b\x0c\x1c\x85\u2028",
    " blank",
    "1 2 three",
    "tab\t",
    "complete: 1 files",
    "\udcff",
)
