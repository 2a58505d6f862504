"""One policy a file, each a pure function of a situation that answers with a plan or leaves it to the
next."""
