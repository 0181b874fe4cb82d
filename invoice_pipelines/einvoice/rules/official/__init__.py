"""The rule files of publishers, which decide instead of the declarations where the operator has them. They are run by
SaxonC, which comes with the extra `rules`."""
