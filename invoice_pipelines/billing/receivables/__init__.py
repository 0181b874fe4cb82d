"""What customers owe, by how late it is: as values, and as a file."""
